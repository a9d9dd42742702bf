from nautilus.evaluate.delivery import Delivery

HERE, THERE = ("node1", 11), ("node2", 11)


def sent(delivery, n):
    """Return whether each of n chunks would carry the payload, and let those that would."""
    found = []
    for _ in range(n):
        found.append(delivery.is_wanted)
        if found[-1]:
            delivery.send()
    return found


def test_nothing_is_sent_unasked():
    assert sent(Delivery(), 1) == [False]


def test_each_worker_that_waits_is_sent_one_payload():
    delivery = Delivery()
    for worker in (HERE, THERE, HERE):  # one number on two hosts is two processes
        delivery.ask(worker)
    assert sent(delivery, 4) == [True, True, False, False]


def test_a_worker_that_was_reached_waits_no_more():
    delivery = Delivery()
    delivery.ask(HERE)
    assert sent(delivery, 1) == [True]
    delivery.arrive(HERE)
    assert sent(delivery, 1) == [False]


def test_a_payload_that_reached_another_worker_is_sent_again():
    delivery = Delivery()
    delivery.ask(HERE)
    assert sent(delivery, 1) == [True]
    delivery.arrive(THERE)
    assert sent(delivery, 2) == [True, False]


def test_a_payload_that_was_lost_is_sent_again():
    delivery = Delivery()
    delivery.ask(HERE)
    assert sent(delivery, 2) == [True, False]
    delivery.lose()
    assert sent(delivery, 2) == [True, False]
