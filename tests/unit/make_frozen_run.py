"""Makes the small run file that is kept of each version of the schema, and what stands in it.

When the schema gets a new version, this makes its file, which is then kept for good:

    python tests/unit/make_frozen_run.py

As long as no release has written the newest version, its file may be made anew:

    python tests/unit/make_frozen_run.py --replace
"""

import argparse
import hashlib
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from nautilus import Prior, Sampler, load
from nautilus.runfile import read_run
from nautilus.runfile.codec import schema_text
from nautilus.runfile.schema import STATEMENTS, newest

FOLDER = Path(__file__).with_name("data")
SETTINGS = {
    "n_live": 50,
    "n_networks": 1,
    "neural_network_kwargs": {"hidden_layer_sizes": (4,), "max_iter": 2},
    "seed": 1,
}
GOAL = {"n_eff": 300, "f_live": 0.2}
N_CALLS = 260
"""The run is stopped within a stage."""


def make_prior():
    """Return two parameters, one of them an angle."""
    prior = Prior()
    prior.add_parameter("a", dist=(-5, 5))
    prior.add_parameter("angle", dist=(0, 2 * np.pi), periodic=True)
    return prior


def log_likelihood(p):
    """Return a posterior that is normal in one direction and round in the other, and blobs."""
    log_l = -0.5 * ((p["a"] - 1) / 0.2) ** 2 + 2 * np.cos(p["angle"])
    return log_l, {"sum": p["a"] + p["angle"], "word": "left" if p["a"] < 1 else "à droite"}


def make_sampler(path, **more):
    """Return a sampler that keeps its run in a file, or continues the one that is there."""
    return Sampler(make_prior(), log_likelihood, filepath=path, **SETTINGS | more)


def contents_of(path):
    """Return as plain values what is loaded from a file; numbers in JSON keep every bit."""
    posterior, saved = load(path), read_run(path, None)
    arrays = {
        "points": saved.state.ledger.points,
        "log_l": saved.state.ledger.log_l,
        "parameters": saved.parameters,
        "log_weights": saved.answer.log_weights,
    }
    some = [0, 1, len(posterior) // 2, len(posterior) - 1]
    return {
        "names": list(posterior.names),
        "prior": list(posterior.run.prior),
        "periodic": posterior.periodic[1].tolist(),
        "n_points": len(posterior),
        "n_like": posterior.n_like,
        "n_proposals": posterior.run.n_proposals,
        "seed": posterior.seed,
        "log_z": posterior.log_z,
        "log_z_err": posterior.log_z_err,
        "n_eff": posterior.n_eff,
        "eta": posterior.eta,
        "stop_reason": posterior.stop_reason,
        "findings": list(posterior.findings),
        "rows": some,
        "parameters": posterior.array[some].tolist(),
        "log_l": posterior.log_l[some].tolist(),
        "blobs": [list(row) for row in posterior.blobs[some].tolist()],
        "digests": {name: digest_of(array) for name, array in arrays.items()},
    }


def digest_of(array):
    """Return what tells whether all bits of an array are the same, on any machine."""
    content = np.ascontiguousarray(array, dtype="<f8").tobytes()
    return hashlib.sha256(content).hexdigest()


def shrink(path):
    """Let the file have small pages: it stands in the repository."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute("VACUUM")


def main(argv=None):
    """Make both files of the newest version."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replace", action="store_true", help="make those of the newest anew")
    options = parser.parse_args(argv)
    path = FOLDER / f"run-v{newest()}.nautilus"
    if path.exists():
        if not options.replace:
            sys.stderr.write(f"{path} is there; give --replace if no release has written it\n")
            return 1
        path.unlink()
    with make_sampler(path) as sampler:
        sampler.run(**GOAL, n_like_max=N_CALLS)
    shrink(path)
    told = {"schema": schema_text(), "tables": STATEMENTS, "contents": contents_of(path)}
    text = json.dumps(told, indent=1, ensure_ascii=False)
    path.with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
