"""Clusters of Dask whose workers come and go, or that end altogether."""

import os
import threading
import time

import distributed
import numpy as np
import pytest
from pools import A_OF_LINE, LINE, NamedPrior, collect, dask_cluster
from waiting import SECONDS, wait_for

from nautilus.errors import BackendError
from nautilus.evaluate.evaluator import Evaluator
from nautilus.evaluate.likelihood import Likelihood


def waiting_likelihood(folder):
    """Leave a file where a call begins, and answer with the process once the file `go` is there."""

    def log_l(parameters):
        if parameters["a"] > A_OF_LINE[0]:
            (folder / f"{parameters['a']}").touch()
            while not (folder / "go").exists():
                time.sleep(0.01)
        return parameters["a"], os.getpid()

    return Likelihood(log_l, NamedPrior())


def started(folder):
    return bool(list(folder.iterdir()))


def test_workers_come_and_go_in_the_middle_of_a_batch(tmp_path):
    with dask_cluster(1) as cluster, distributed.Client(cluster) as client:
        evaluator = Evaluator(waiting_likelihood(tmp_path), client)
        evaluator.self_test(LINE[:1])
        assert evaluator.n_workers == 1
        first = list(client.nthreads())
        pids = client.run(os.getpid)

        def change():
            wait_for(lambda: started(tmp_path))
            cluster.scale(3)
            client.wait_for_workers(3, timeout=SECONDS)
            client.retire_workers(first)
            wait_for(lambda: len(client.nthreads()) == 2)
            (tmp_path / "go").touch()

        helper = threading.Thread(target=change)
        helper.start()
        found, processes = collect(evaluator, LINE)
        helper.join()
        wait_for(lambda: evaluator.n_workers == 2)
    np.testing.assert_array_equal(found, A_OF_LINE)
    others = set(processes) - set(pids.values())
    assert others


def test_a_cluster_that_ends_in_the_middle_of_a_batch_is_an_error(tmp_path):
    with dask_cluster(1) as cluster, distributed.Client(cluster) as client:
        evaluator = Evaluator(waiting_likelihood(tmp_path), client)
        evaluator.self_test(LINE[:1])

        def end():
            wait_for(lambda: started(tmp_path))
            cluster.close()

        helper = threading.Thread(target=end)
        helper.start()
        found = np.empty(19)
        with pytest.raises(BackendError, match=r"shut down while it was in use|client is clos"):
            collect(evaluator, LINE, found)
        helper.join()
        assert np.isnan(found[1:]).all()
        # Also before any call is under way.
        with pytest.raises(BackendError, match=r"takes no more work|client is clos"):
            collect(evaluator, LINE)
