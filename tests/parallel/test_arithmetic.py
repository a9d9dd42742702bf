"""Switches for floating-point errors and warnings reach user code in workers, and nothing else."""

import subprocess
import sys

SCRIPT = """
import sys
import numpy as np
from nautilus import Prior, Sampler

def log_l(x):
    try:
        np.exp(np.array([-1e4]))
    except FloatingPointError:
        return -0.5 * float(np.sum((x / 0.05) ** 2))
    return 0.0

def log_z(pool):
    sampler = Sampler(
        prior, log_l, pass_dict=False, n_live=100, n_networks=1, seed=1, pool=pool
    )
    with sampler:
        sampler.run(n_eff=300, n_like_max=600)
        sampler.result.summary()
        return sampler.log_z.hex()

prior = Prior()
for _ in range(2):
    prior.add_parameter(dist=(-1, 1))
if __name__ == "__main__":
    np.seterr(all="raise")
    print(log_z(None), log_z(2))
"""


def test_workers_have_what_the_user_set(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    here, there = map(float.fromhex, done.stdout.split())
    assert here == there < -1.0
