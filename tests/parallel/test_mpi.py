"""Scripts that a real ``mpiexec`` starts, as on a cluster."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from pools import CONTRACT_KIND, wait_for_end
from short_run import run
from waiting import wait_for

from nautilus.runfile import read_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its launchers are others")

LAUNCHER = os.environ.get("MPIEXEC", str(Path(sys.executable).parent / "mpiexec"))

HELPERS = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "helpers")]

ENVIRONMENT = os.environ | {
    # Open MPI refuses to be run by root, and on fewer cores than ranks, unless it is told.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PYTHONPATH": os.pathsep.join([*HELPERS, *filter(None, [os.environ.get("PYTHONPATH")])]),
}

PLAIN = ()
FUTURES = ("-m", "mpi4py.futures")

START = """
import os, sys, time
from pathlib import Path
from mpi4py import MPI
from short_run import PRIOR, bits, likelihood, make_sampler, run

here = Path(__file__).parent

def leave(name, text=""):
    (here / name).write_text(text)

rank = MPI.COMM_WORLD.Get_rank()
leave(f"rank-{rank}", str(os.getpid()))
"""


@dataclass(frozen=True)
class Job:
    """A script under a launcher."""

    folder: Path
    process: subprocess.Popen

    def end(self):
        """Wait until no rank is left; return status and output of all."""
        try:
            output, _ = self.process.communicate()
        except BaseException:  # the limit on the whole test
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        wait_for_end(int(path.read_text()) for path in self.folder.glob("rank-*"))
        return self.process.returncode, output

    def file(self, name):
        return (self.folder / name).read_text()


def start(folder, n_ranks, script, *, how=PLAIN, header=START):
    """Start a script; with no ranks, without a launcher."""
    path = folder / "script.py"
    path.write_text(header + textwrap.dedent(script))
    return launch(folder, n_ranks, [*how, str(path)])


def launch(folder, n_ranks, arguments, **variables):
    """Start Python with arguments under the launcher; with no ranks, without it."""
    launcher = [LAUNCHER, "-n", str(n_ranks)] if n_ranks else []
    process = subprocess.Popen(
        [*launcher, sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env=ENVIRONMENT | variables,
        start_new_session=True,
    )
    return Job(folder, process)


def finish(folder, n_ranks, script, **more):
    """Run a script that is to succeed."""
    job = start(folder, n_ranks, script, **more)
    status, output = job.end()
    assert status == 0, output
    return job


def names(folder, pattern):
    return sorted(path.name for path in folder.glob(pattern))


DOCUMENTED = """
import numpy as np

from nautilus import Prior, Sampler
from mpi4py.futures import MPIPoolExecutor

prior = Prior()
for i in range(3):
    prior.add_parameter()

def likelihood(x):
    return np.sum(-(x - 0.5)**2 / (2 * 0.1**2))

if __name__ == '__main__':
    sampler = Sampler(prior, likelihood, pass_dict=False, n_live=150, n_networks=1, seed=2,
                      pool=MPIPoolExecutor())
    sampler.run(n_eff=400)
    from short_run import bits
    open("bits", "w").write(bits(sampler))
"""


def test_the_documented_script_gives_the_bits_of_a_serial_run(tmp_path):
    job = finish(tmp_path, 3, DOCUMENTED, how=FUTURES, header="")
    found = job.file("bits")
    serial = DOCUMENTED.replace("MPIPoolExecutor())", "None)")
    assert finish(tmp_path, 0, serial, header="").file("bits") == found


@pytest.mark.parametrize("n_ranks", [pytest.param(2, marks=pytest.mark.long), 4])
def test_rank_0_goes_on_alone_and_gives_the_bits_of_a_serial_run(tmp_path, expected, n_ranks):
    script = """
        leave(f"before-{rank}")
        first = run(lambda p: likelihood(p), "mpi")
        leave(f"after-{rank}")
        factor = 1.0
        def closure(p):
            return factor * likelihood(p)
        second = run(closure, "mpi")
        leave(f"end-{rank}", f"{first}, {second}")
    """
    job = finish(tmp_path, n_ranks, script)
    assert names(tmp_path, "before-*") == [f"before-{i}" for i in range(n_ranks)]
    assert names(tmp_path, "after-*") == ["after-0"]
    assert names(tmp_path, "end-*") == ["end-0"]
    assert job.file("end-0") == f"{expected}, {expected}"


@pytest.mark.parametrize(("how", "pool"), [(PLAIN, '("mpi", None)'), (FUTURES, "(pool, 2)")])
def test_pairs_of_pools_give_the_bits_of_a_serial_run(tmp_path, expected, how, pool):
    script = f"""
        from mpi4py.futures import MPIPoolExecutor

        def log_l(parameters):
            leave(f"worked-{{MPI.COMM_WORLD.Get_rank()}}")
            return likelihood(parameters)

        if __name__ == "__main__":
            pool = MPIPoolExecutor()
            leave("bits", run(log_l, {pool}))
    """
    assert finish(tmp_path, 3, script, how=how).file("bits") == expected
    assert names(tmp_path, "worked-*") == ["worked-1", "worked-2"]


def test_a_run_that_was_killed_goes_on_with_other_ranks(tmp_path, expected):
    script = """
        n_calls = 0

        def log_l(parameters):
            global n_calls
            n_calls += 1
            if n_calls == 250 and not (here / "killed").exists():
                leave("killed")
                os.kill(os.getpid(), 9)
            return likelihood(parameters)

        leave("bits", run(log_l, "mpi", filepath=here / "run.nautilus", save_interval=0))
    """
    status, output = start(tmp_path, 3, script).end()
    assert status not in {0, None}, output
    assert read_run(tmp_path / "run.nautilus").state.n_like > 100
    assert finish(tmp_path, 4, script).file("bits") == expected


@pytest.mark.parametrize(
    ("how", "kind"),
    [(PLAIN, "mpi"), pytest.param(FUTURES, "MPIPoolExecutor", marks=pytest.mark.long)],
)
def test_the_contract_of_all_pools_holds(how, kind):
    script = Path(__file__).with_name("contract_on_mpi.py")
    variables = {CONTRACT_KIND: kind}
    status, output = launch(script.parents[2], 3, [*how, str(script)], **variables).end()
    assert status == 0, output
    assert re.search(r"\d\d passed", output), output


def test_a_lone_process_is_told_how_to_start(tmp_path):
    status, output = start(tmp_path, 0, 'make_sampler(pool="mpi")').end()
    assert status == 1
    assert "BackendError: pool is 'mpi', but MPI knows of this process alone" in output
    assert "mpiexec -n 4 python script.py" in output


def test_an_exception_in_rank_0_ends_all_ranks(tmp_path):
    script = """
        sampler = make_sampler(pool="mpi")
        sampler.run(n_like_max=300)
        raise ValueError("after the sampler")
    """
    job = start(tmp_path, 3, script)
    status, output = job.end()
    assert status not in {0, None}
    assert output.count("ValueError: after the sampler") == 1
    assert names(tmp_path, "rank-*") == ["rank-0", "rank-1", "rank-2"]


DEATHS = {
    "killed": ("os.kill(os.getpid(), 9)", "ignal 9|Killed"),
    "segmentation fault": ("os.kill(os.getpid(), 11)", "ignal 11|Segmentation"),
    "exit 0": ("os._exit(0)", r"in the middle of a call of the likelihood: os\._exit\(0\)"),
    "exit 3": ("os._exit(3)", r"in the middle of a call of the likelihood: os\._exit\(3\)"),
    "exit of C": ("ctypes.CDLL(None).exit(0)", "call of the likelihood: compiled code called exit"),
}


@pytest.mark.parametrize(
    ("death", "how", "pool"),
    [
        *((death, PLAIN, '"mpi"') for death in DEATHS),
        *((d, FUTURES, "MPIPoolExecutor()") for d in ("exit 0", "killed", "segmentation fault")),
    ],
)
def test_the_death_of_a_rank_ends_the_job_and_is_told(tmp_path, death, how, pool):
    die, message = DEATHS[death]
    script = f"""
        import ctypes
        from mpi4py.futures import MPIPoolExecutor
        n_calls = 0

        def log_l(parameters):
            global n_calls
            n_calls += 1
            if n_calls == 100:
                leave("dies")
                {die}
            return likelihood(parameters)

        if __name__ == "__main__":
            run(log_l, {pool})
            leave("end")
    """
    job = start(tmp_path, 3, script, how=how)
    wait_for((tmp_path / "dies").exists)
    status, output = job.end()
    assert status not in {0, None}, output
    assert re.search(message, output), output
    assert names(tmp_path, "end") == []


AT_WORK = """
        n_calls = 0

        def log_l(parameters):
            global n_calls
            n_calls += 1
            while n_calls > 100 and not (here / "go").exists():
                leave("at-work")
                time.sleep(0.01)
            return likelihood(parameters)

        sampler = make_sampler(log_l, "mpi")
"""

SIGNALS = {"SIGINT": "Interruption", "SIGTERM": "Termination"}


@pytest.mark.parametrize("name", [pytest.param("SIGINT", marks=pytest.mark.long), "SIGTERM"])
def test_a_run_goes_on_after_a_signal(tmp_path, expected, name):
    script = (
        AT_WORK
        + """
        try:
            sampler.run(n_eff=400)
        except (KeyboardInterrupt, SystemExit) as error:
            leave("caught", type(error).__name__)
        sampler.run(n_eff=400)
        leave("bits", bits(sampler))
    """
    )
    job = start(tmp_path, 3, script)
    wait_for((tmp_path / "at-work").exists)
    os.kill(int(job.file("rank-0")), getattr(signal, name))
    (tmp_path / "go").touch()
    status, output = job.end()
    assert status == 0, output
    assert job.file("caught") == SIGNALS[name]
    assert job.file("bits") == expected


@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGUSR1", marks=pytest.mark.long)])
def test_a_signal_to_all_ranks_leaves_a_saved_run(tmp_path, expected, name):
    """As batch systems send it."""
    path = tmp_path / "run.nautilus"
    script = AT_WORK.replace('"mpi")', '"mpi", filepath=here / "run.nautilus")')
    job = start(tmp_path, 3, script + "\n        sampler.run(n_eff=400)\n")
    wait_for((tmp_path / "at-work").exists)
    for file in tmp_path.glob("rank-*"):
        os.kill(int(file.read_text()), getattr(signal, name))
    (tmp_path / "go").touch()
    status, output = job.end()
    assert status not in {0, None}, output
    found = re.search(r"interrupted after (\d+) evaluations, saved in", output)
    assert found, output
    assert read_run(path).state.n_like == int(found[1]) > 0
    assert run(filepath=path) == expected


def test_a_likelihood_can_end_what_it_started(tmp_path, expected):
    """Although ranks themselves leave SIGTERM to the first of them."""
    script = """
        import subprocess

        def log_l(parameters):
            if not ended:
                with subprocess.Popen(["sleep", "3600"]) as program:
                    program.terminate()
                ended.append(program.returncode)
            return likelihood(parameters)

        ended = []
        leave("bits", run(log_l, "mpi"))
    """
    assert finish(tmp_path, 2, script).file("bits") == expected


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_ends_the_job_although_calls_go_on(tmp_path, name):
    script = (
        AT_WORK
        + """
        sampler.run(n_eff=400, grace=0.5)
    """
    )
    job = start(tmp_path, 3, script)
    wait_for((tmp_path / "at-work").exists)
    os.kill(int(job.file("rank-0")), getattr(signal, name))
    status, output = job.end()
    assert status not in {0, None}
    assert "The script ended while calls of the likelihood were under way" in output
    assert "nautilus: interrupted after" in output
