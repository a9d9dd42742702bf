"""The contract of pools, on the ranks of an MPI job: rank 0 runs pytest, the others work for it."""

import os
import sys
from pathlib import Path

import pytest
from pools import CONTRACT_KIND

from nautilus.evaluate.backends import as_executor

if __name__ == "__main__":
    if os.environ[CONTRACT_KIND] == "mpi":
        as_executor("mpi")  # from here on the other ranks serve
    contract = Path(__file__).with_name("test_pools.py")
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", str(contract)]))
