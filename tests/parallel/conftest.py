"""What all tests of pools share."""

import cloudpickle
import pools
import psutil
import pytest
import short_run
from waiting import wait_for

for helpers in (pools, short_run):
    cloudpickle.register_pickle_by_value(helpers)


HELPERS = ("resource_tracker", "forkserver")
"""Servants of the standard library and of loky, which stay as long as the process that asked."""


@pytest.fixture(autouse=True, scope="module")
def _module_travels_by_value(request):
    # Workers cannot import test files; everything in them has to travel by value.
    cloudpickle.register_pickle_by_value(request.module)


@pytest.fixture(scope="session")
def expected():
    """Bits of the short run without any pool."""
    return short_run.run()


def workers_of_tests():
    """Return the processes that this one has started and that are still alive."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            is_helper = any(name in " ".join(process.cmdline()) for name in HELPERS)
            if not is_helper and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture
def no_process_left():
    """See that all processes are gone that were not there before the test."""
    before = workers_of_tests()
    yield
    wait_for(lambda: not workers_of_tests() - before)
