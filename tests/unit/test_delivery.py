from nautilus.evaluate.delivery import Delivery

HERE, THERE = ("node1", 11), ("node2", 11)


def test_nothing_is_sent_unasked():
    assert not Delivery().send()


def test_each_worker_that_waits_is_sent_one_payload():
    delivery = Delivery()
    for worker in (HERE, THERE, HERE):  # one number on two hosts is two processes
        delivery.ask(worker)
    assert [delivery.send() for _ in range(4)] == [True, True, False, False]


def test_a_worker_that_was_reached_waits_no_more():
    delivery = Delivery()
    delivery.ask(HERE)
    assert delivery.send()
    delivery.arrive(HERE)
    assert not delivery.send()


def test_a_payload_that_reached_another_worker_is_sent_again():
    delivery = Delivery()
    delivery.ask(HERE)
    assert delivery.send()
    delivery.arrive(THERE)
    assert [delivery.send(), delivery.send()] == [True, False]


def test_a_late_arrival_does_not_pay_for_the_next():
    delivery = Delivery()
    delivery.arrive(THERE)
    delivery.ask(HERE)
    assert [delivery.send(), delivery.send()] == [True, False]


def test_what_was_dropped_is_forgotten():
    delivery = Delivery()
    delivery.ask(HERE)
    delivery.ask(THERE)
    assert delivery.send()
    delivery.reset()
    assert not delivery.send()
    delivery.ask(HERE)
    assert [delivery.send(), delivery.send()] == [True, False]
