"""What all tests of pools share."""

import cloudpickle
import pools
import pytest

cloudpickle.register_pickle_by_value(pools)


@pytest.fixture(autouse=True, scope="module")
def _module_travels_by_value(request):
    # Workers cannot import test files; everything in them has to travel by value.
    cloudpickle.register_pickle_by_value(request.module)
