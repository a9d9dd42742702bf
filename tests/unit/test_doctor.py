"""The command that says why a parallel run is slow, or does not start."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import wait_for

from nautilus import __version__
from nautilus.cli import main
from nautilus.cli.advice import advise
from nautilus.cli.apart import run_apart
from nautilus.cli.cgroup import GroupLimits, read_limits
from nautilus.cli.examination import Examination, is_sound, text_of
from nautilus.cli.jobs import BatchJob, read_job
from nautilus.cli.machine import Machine, read_machine, read_memory
from nautilus.cli.mpi import Mpi, ask_apart, ask_here
from nautilus.cli.packages import OPTIONAL, Package, find_package, try_package, try_packages
from nautilus.cli.selftest import (
    SELF_TESTS,
    SelfTest,
    command_of,
    launch_obstacle,
    obstacle,
    try_backend,
)
from nautilus.cli.trial import TRIALS, measure
from nautilus.evaluate.launch import Launch, read_launch

GIB = 1 << 30
UNLIMITED_V1 = "9223372036854771712"

SHORT, LONG = 1, 600
"""Seconds for a program that hangs, and for one that ends however slow the machine is."""

TRIES = (2, 20, 200)
"""Seconds for a program that has to do something before it hangs: the first that are enough."""


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")


def lines(*lines):
    return "\n".join(lines)


V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_CPU = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
V1_MEMORY = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"


class TestGroups:
    def test_version_2_takes_the_strictest_of_all_groups_around(self, tmp_path):
        group = "sys/fs/cgroup/system.slice/job_7"
        write(
            tmp_path,
            {
                "proc/self/cgroup": "0::/system.slice/job_7/step_0",
                "proc/self/mountinfo": lines("22 1 8:1 / / rw - ext4 /dev/sda rw", V2),
                f"{group}/step_0/cpu.max": "max 100000",
                f"{group}/step_0/memory.max": "max",
                f"{group}/cpu.max": "150000 100000",
                f"{group}/memory.max": 8 * GIB,
                "sys/fs/cgroup/system.slice/cpu.max": "400000 100000",
                "sys/fs/cgroup/system.slice/memory.max": 4 * GIB,
                # Of neighbours, which do not limit this process.
                "sys/fs/cgroup/user.slice/cpu.max": "10000 100000",
                f"{group}/step_1/memory.max": 1,
            },
        )
        assert read_limits(tmp_path) == GroupLimits(1.5, 4 * GIB)

    def test_version_2_without_limits(self, tmp_path):
        write(
            tmp_path,
            {
                "proc/self/cgroup": "0::/a",
                "proc/self/mountinfo": V2,
                "sys/fs/cgroup/a/cpu.max": "max 100000",
                "sys/fs/cgroup/a/memory.max": "max",
            },
        )
        assert read_limits(tmp_path) == GroupLimits(None, None)

    def test_version_2_in_a_container_sees_itself_at_the_top(self, tmp_path):
        write(
            tmp_path,
            {
                "proc/self/cgroup": "0::/",
                "proc/self/mountinfo": V2,
                "sys/fs/cgroup/cpu.max": "50000 100000",
                "sys/fs/cgroup/memory.max": GIB,
            },
        )
        assert read_limits(tmp_path) == GroupLimits(0.5, GIB)

    def test_version_1_takes_the_strictest_of_all_groups_around(self, tmp_path):
        cpu, memory = "sys/fs/cgroup/cpu,cpuacct/slurm", "sys/fs/cgroup/memory/slurm"
        write(
            tmp_path,
            {
                "proc/self/cgroup": lines(
                    "4:memory:/slurm/job_7/step", "3:cpu,cpuacct:/slurm/job_7", "1:name=systemd:/"
                ),
                "proc/self/mountinfo": lines(V1_CPU, V1_MEMORY),
                f"{cpu}/job_7/cpu.cfs_quota_us": -1,
                f"{cpu}/job_7/cpu.cfs_period_us": 100000,
                f"{cpu}/cpu.cfs_quota_us": 200000,
                f"{cpu}/cpu.cfs_period_us": 50000,
                f"{memory}/job_7/step/memory.limit_in_bytes": UNLIMITED_V1,
                f"{memory}/job_7/memory.limit_in_bytes": 3 * GIB,
                f"{memory}/memory.limit_in_bytes": 5 * GIB,
                "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
            },
        )
        assert read_limits(tmp_path) == GroupLimits(4.0, 3 * GIB)

    @pytest.mark.parametrize("own", ["/docker/abc", "/elsewhere", "/../abc"])
    def test_version_1_in_a_container_sees_its_group_mounted_alone(self, own, tmp_path):
        write(
            tmp_path,
            {
                "proc/self/cgroup": f"4:memory:{own}",
                "proc/self/mountinfo": V1_MEMORY.replace(" / ", " /docker/abc "),
                "sys/fs/cgroup/memory/memory.limit_in_bytes": GIB,
            },
        )
        assert read_limits(tmp_path).memory == GIB

    def test_a_machine_without_groups_has_no_limits(self, tmp_path):
        assert read_limits(tmp_path) == GroupLimits(None, None)


def test_memory_is_read_in_bytes(tmp_path):
    write(tmp_path, {"proc/meminfo": lines("MemTotal:  2048 kB", "MemAvailable:  1024 kB")})
    assert read_memory(tmp_path, "MemAvailable") == GIB // 1024
    assert read_memory(tmp_path, "Mem") is None
    assert read_memory(tmp_path / "none", "MemTotal") is None


def test_the_machine_passes_on_the_limits_of_its_groups(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/",
            "proc/self/mountinfo": V2,
            "sys/fs/cgroup/cpu.max": "50000 100000",
        },
    )
    machine = read_machine(tmp_path)
    assert machine.n_quota == 0.5
    assert machine.n_usable == 1
    assert machine.memory is None
    assert 1 <= machine.n_allowed <= machine.n_cores


SLURM = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_NTASKS": "8",
    "SLURM_CPUS_PER_TASK": "4",
    "SLURM_MEM_PER_NODE": "2048",
    "SLURM_JOB_END_TIME": "1700000000",
    "SLURM_PROCID": "0",
}


@pytest.mark.parametrize(
    ("environ", "job"),
    [
        ({"JOB_ID": "5"}, None),
        (SLURM, BatchJob("Slurm", "4711", 2, 8, 4, 2 * GIB, None, 1700000000)),
        (
            {"SLURM_JOB_ID": "1", "SLURM_NNODES": "1", "SLURM_MEM_PER_CPU": "512"},
            BatchJob("Slurm", "1", 1, memory_per_cpu=GIB // 2),
        ),
        (
            SLURM | {"SLURM_STEP_NUM_TASKS": "3"},
            BatchJob("Slurm", "4711", 2, 3, 4, 2 * GIB, None, 1700000000),
        ),
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "2(x3)"}, BatchJob("Slurm", "1")),
        (
            {"PBS_JOBID": "9.host", "PBS_NUM_NODES": "2", "PBS_NP": "16", "PBS_NUM_PPN": "8"},
            BatchJob("PBS", "9.host", 2, 16),
        ),
        (
            {"LSB_JOBID": "3", "LSB_DJOB_NUMPROC": "8", "LSB_MCPU_HOSTS": "a 4 b 4"},
            BatchJob("LSF", "3", 2, 8),
        ),
        (
            {"SGE_TASK_ID": "undefined", "JOB_ID": "12", "NHOSTS": "1", "NSLOTS": "6"},
            BatchJob("Grid Engine", "12", 1, 6),
        ),
    ],
)  # fmt: skip
def test_jobs_are_read_from_the_environment(environ, job):
    assert read_job(environ) == job


@pytest.mark.parametrize(
    ("environ", "launch"),
    [
        ({}, None),
        (SLURM, None),  # the job script itself
        (SLURM | {"SLURM_STEP_NUM_TASKS": "1"}, None),  # a shell in a job
        (SLURM | {"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5"}, Launch("srun", 8, 5)),
        (
            {"PMI_SIZE": "4", "PMI_RANK": "3", "MPI_LOCALNRANKS": "2"},
            Launch("mpiexec", 4, 3, 2),
        ),
        (
            SLURM
            | {
                "OMPI_COMM_WORLD_SIZE": "4",
                "OMPI_COMM_WORLD_RANK": "1",
                "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
            },
            Launch("Open MPI", 4, 1, 4),
        ),
    ],
)
def test_launchers_are_recognised(environ, launch):
    assert read_launch(environ) == launch


MACHINE = Machine("h", "Linux", "CPython 3", 8, 8, None, 8, 32 * GIB, 30 * GIB, None, None)
HEALTHY = Examination(
    machine=MACHINE,
    job=None,
    launch=None,
    launcher="/usr/bin/mpiexec",
    mpi=Mpi("MPICH 5", 1),
    start_method="spawn",
    thread_variables=(("OMP_NUM_THREADS", "1"),),
    thread_libraries=(("openblas 0.3", 1),),
    required=(Package("numpy", "2.0"),),
    optional=(Package("mpi4py", "4.1"), Package("ray", None)),
)
RANK = Launch("mpiexec", 4, 0, 4)


def machine(**new):
    return replace(HEALTHY, machine=replace(MACHINE, **new))


class TestAdvice:
    @pytest.mark.parametrize(
        "report",
        [
            HEALTHY,
            machine(n_allowed=4, n_loky=4),
            replace(HEALTHY, mpi=None, launcher=None),
            replace(HEALTHY, launch=RANK, mpi=Mpi("MPICH 5", 4)),
            # A launcher gives each rank one core, and many ranks sit on other nodes.
            replace(HEALTHY, launch=replace(RANK, n_ranks=64), mpi=Mpi("MPICH 5", 64)),
            replace(HEALTHY, launch=Launch("srun", 64, 0), mpi=Mpi("MPICH 5", 64)),
            replace(HEALTHY, job=BatchJob("Slurm", "1", 1, 1, 8)),
            replace(HEALTHY, job=BatchJob("Slurm", "1", 4, 64), launch=RANK, mpi=Mpi("MPICH 5", 4)),
        ],
    )
    def test_there_is_none_where_nothing_is_wrong(self, report):
        assert advise(report) == ()

    @pytest.mark.parametrize(
        ("report", "said"),
        [
            (machine(n_quota=2.5, n_loky=3), "time of 2.5 cores.* give pool=2,"),
            (machine(n_allowed=1, n_loky=1), "one of 8 cores only"),
            (machine(n_allowed=4), "count cores find 8, but 4"),
            (machine(memory_limit=GIB), "1.0 GiB of memory for 8 cores.* pool=3"),
            (machine(address_limit=2 * GIB), "2.0 GiB of addresses"),
            (replace(HEALTHY, thread_variables=(("MKL_NUM_THREADS", "8"),)), "^MKL_NUM_THREADS=8"),
            (replace(HEALTHY, job=BatchJob("Slurm", "1", 1, 1, 16)), "16 CPUs per task.* on 8"),
            (replace(HEALTHY, job=BatchJob("Slurm", "1", 3)), "has 3 nodes"),
            (replace(HEALTHY, launch=RANK), "4 copies .*sees only itself"),
            (replace(HEALTHY, launch=RANK, mpi=None), "4 copies .*mpi4py is not installed"),
            (
                replace(HEALTHY, launch=Launch("mpiexec", 9, 0, 9), mpi=Mpi("M", 9)),
                "9 ranks share 8 cores",
            ),
            (replace(HEALTHY, mpi=Mpi("", 0, "no libmpi")), r"does not start \(no libmpi\)"),
            (replace(HEALTHY, launcher=None), "no mpiexec is on PATH"),
            (
                replace(HEALTHY, optional=(Package("ray", "2", "OSError: x"),)),
                r"ray is installed but cannot be imported \(OSError: x\)",
            ),
        ],
    )  # fmt: skip
    def test_it_names_what_is_wrong_once(self, report, said):
        (advice,) = advise(report)
        with pytest.raises(AssertionError, match=said):
            raise AssertionError(advice)


def test_soundness_is_about_what_is_installed():
    assert is_sound(HEALTHY)
    assert is_sound(machine(n_quota=0.1))
    assert not is_sound(replace(HEALTHY, mpi=Mpi("", 0, "no libmpi")))
    assert not is_sound(replace(HEALTHY, optional=(Package("ray", "2", "OSError: x"),)))


def test_the_text_is_aligned_under_headings():
    text = text_of(replace(HEALTHY, job=BatchJob("Slurm", "4711", 2, end=1), launch=RANK))
    rows = [line for line in text.splitlines() if line.startswith("  ")]
    assert all(row[26:28] == "  " and row[28] != " " for row in rows)
    headings = [line for line in text.splitlines() if line and line not in rows]
    assert headings == ["this machine", "job", "MPI", "processes and threads", "packages"]
    assert "Slurm 4711" in text
    assert "rank 0 of 4" in text
    assert "not installed" in text


class TestApart:
    def test_what_a_program_says_and_how_it_ends(self):
        code = "import sys; print('out'); print('first\\nlast', file=sys.stderr); sys.exit(3)"
        ended = run_apart([sys.executable, "-c", code], LONG)
        assert (ended.status, ended.output, ended.reason) == (3, "out\n", "last")

    def test_a_signal_is_named(self):
        ended = run_apart([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], LONG)
        assert ended.reason == "ended by signal 9"

    def test_a_program_that_is_missing(self):
        assert "No such file" in run_apart(["/nowhere/mpiexec"], LONG).reason

    @pytest.mark.parametrize("end", ["time.sleep(3600)", "sys.exit(0)"])
    def test_nothing_that_it_started_stays(self, end, tmp_path):
        code = f"""if True:
            import signal, subprocess, sys, time
            from pathlib import Path
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
            Path({str(tmp_path / "child")!r}).write_text(str(child.pid))
            {end}
        """
        for seconds in [LONG] if "exit" in end else TRIES:
            ended = run_apart([sys.executable, "-c", code], seconds)
            if (tmp_path / "child").exists():
                break
        assert ended.status == (0 if "exit" in end else None)
        child = int((tmp_path / "child").read_text())
        wait_for(lambda: not is_running(child), 0.05)


def is_running(pid):
    """Tell whether a process runs; one that nobody has waited for yet does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return bool(state) and not state.startswith("Z")


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """Return a function that puts packages of our own before those installed."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))
    monkeypatch.syspath_prepend(folder)

    def add(**sources):
        write(folder, {f"{name}/__init__.py": source for name, source in sources.items()})
        return folder

    return add


class TestPackages:
    def test_versions_and_absence(self):
        assert find_package("pytest") == Package("pytest", pytest.__version__)
        assert find_package("nautilus_of_nobody") == Package("nautilus_of_nobody", None)

    def test_a_folder_of_the_name_is_no_package(self, fakes):
        (fakes() / "nautilus_folder").mkdir()
        assert find_package("nautilus_folder").version is None

    def test_broken_imports_are_told_one_by_one(self, fakes):
        fakes(
            good_one="",
            raising_one="raise OSError('libcuda.so.1 is missing')",
            dying_one="import os; os.abort()",
        )
        names = ("raising_one", "dying_one", "good_one", "nautilus_of_nobody")
        found = try_packages(names, LONG)
        assert [package.name for package in found] == list(names)
        assert [package.version for package in found] == ["?", "?", "?", None]
        assert found[0].problem == "OSError: libcuda.so.1 is missing"
        assert found[1].problem.startswith("ended by signal 6")
        assert [package.is_usable for package in found] == [False, False, True, False]

    def test_an_import_that_hangs_is_told(self, fakes):
        fakes(hanging_one="import time; time.sleep(3600)")
        (found,) = try_packages(("hanging_one",), SHORT)
        assert (found.version, found.problem) == ("?", "no answer in the time given")
        assert not found.is_usable

    def test_a_good_import_takes_the_time_that_it_takes(self):
        assert try_package("numpy", LONG).is_usable


FAKE_MPI = {
    "__init__.py": "",
    "MPI.py": """
class COMM_WORLD:
    def Get_size():
        return 1

def Get_library_version():
    return "Fake MPI:   7.0\\nbuilt yesterday"
""",
}


class TestMpi:
    def test_the_library_is_named(self, fakes):
        write(fakes() / "mpi4py", FAKE_MPI)
        assert ask_apart(LONG) == Mpi("Fake MPI: 7.0", 1)

    def test_a_library_that_ends_the_process_is_survived(self, fakes):
        write(fakes() / "mpi4py", FAKE_MPI | {"MPI.py": "import os; os.abort()"})
        assert ask_apart(LONG).problem.startswith("ended by signal 6")

    def test_a_library_that_is_missing(self, fakes, monkeypatch):
        for name in [name for name in sys.modules if name.split(".")[0] == "mpi4py"]:
            monkeypatch.delitem(sys.modules, name)
        write(fakes() / "mpi4py", {"__init__.py": "raise RuntimeError('cannot load MPI library')"})
        assert ask_apart(LONG).problem == "RuntimeError: cannot load MPI library"
        assert ask_here().problem == "RuntimeError: cannot load MPI library"


class TestSelfTests:
    def test_each_has_its_trial(self):
        assert {test.trial for test in SELF_TESTS} == set(TRIALS)
        assert {test.package for test in SELF_TESTS} <= {"", *OPTIONAL}

    def test_wrong_numbers_are_noticed(self):
        class Wrong:
            size = 1

            def map(self, function, works):
                for work in works:
                    result = function(work)
                    yield replace(result, log_l=result.log_l + 1e-12)

        with pytest.raises(RuntimeError, match=r"40 of 40 answers are missing or wrong"):
            measure(Wrong())

    @pytest.mark.parametrize(
        ("code", "note"),
        [
            ("import os; os.abort()", "ended by signal 6"),
            ("import time; time.sleep(3600)", f"no answer within {SHORT} s"),
            ("raise ValueError('no such pool')", "ValueError: no such pool"),
            ("""print('{"error": "RuntimeError: x"}'); exit(1)""", "RuntimeError: x"),
            ("pass", "ended with exit status 0, without a word"),
            ("print('{')", "ended with exit status 0, without a word"),
        ],
    )
    def test_what_goes_wrong_is_told_in_one_line(self, code, note):
        seconds = SHORT if "sleep" in code else LONG
        outcome = try_backend(SelfTest("x", "x"), [sys.executable, "-c", code], seconds)
        assert (outcome.state, outcome.note) == ("failed", note)

    @pytest.mark.parametrize("trial", ["threads", "processes"])
    def test_what_works_is_told_with_its_times(self, trial):
        (test,) = [test for test in SELF_TESTS if test.trial == trial]
        outcome = try_backend(test, command_of(test, None), LONG)
        assert outcome.state == "ok", outcome
        assert re.fullmatch(r"\d+\.\d\d s to start, \d+ us per call", outcome.note)

    def test_why_one_is_not_tried(self):
        serial, mpi = SELF_TESTS[0], SelfTest("mpi", "mpi", "mpi4py", is_launched=True)
        assert obstacle(serial, {"mpi4py": "broken"}, "no launcher") == ""
        assert obstacle(mpi, {}, "") == ""
        assert obstacle(mpi, {"mpi4py": "broken"}, "") == "broken"
        assert obstacle(mpi, {}, "no launcher") == "no launcher"

    @pytest.mark.parametrize(
        ("launcher", "is_rank", "is_in_job", "why"),
        [
            ("/bin/mpiexec", False, False, ""),
            ("/bin/srun", False, True, ""),
            ("/bin/srun", False, False, "no mpiexec was found, and srun would wait for a job"),
            (None, False, True, "neither mpiexec nor srun was found"),
            ("/bin/mpiexec", True, True, "a launcher started this process"),
        ],
    )
    def test_why_nothing_can_be_launched(self, launcher, is_rank, is_in_job, why):
        assert launch_obstacle(launcher, is_rank, is_in_job) == why

    def test_only_those_of_mpi_are_launched(self):
        commands = [command_of(test, "/bin/mpiexec") for test in SELF_TESTS]
        launched = [c[-1] for c in commands if c[:3] == ["/bin/mpiexec", "-n", "3"]]
        assert launched == ["mpi", "mpi-futures"]
        assert all(sys.executable in command for command in commands)

    def test_srun_may_start_more_than_the_job_has_tasks(self):
        (command,) = [command_of(t, "/bin/srun") for t in SELF_TESTS if t.trial == "mpi"]
        assert command[:5] == ["/bin/srun", "--overlap", "--overcommit", "-n", "3"]


def doctor(*arguments, **variables):
    """Run the command outside of any job; return its status and its lines as a dictionary."""
    batch = ("SLURM", "PBS", "LSB", "SGE", "PMI", "OMPI", "MPI_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(batch)}
    done = subprocess.run(
        [sys.executable, "-m", "nautilus", "doctor", *arguments],
        env=environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def rows_of(output):
    rows = [line for line in output.splitlines() if line.startswith("  ")]
    return {row[:28].strip(): row[28:].strip() for row in rows}


class TestCommand:
    @pytest.mark.long
    def test_all_backends_that_are_installed_work(self):
        status, output = doctor("--timeout", str(LONG))
        rows = rows_of(output)
        tried = {name: text for name, text in rows.items() if name.startswith("pool=")}
        assert len(tried) == len(SELF_TESTS)
        for test in SELF_TESTS:
            is_installed = not test.package or rows[test.package] != "not installed"
            expected = "ok: " if is_installed else f"not tried: {test.package} is not installed"
            assert tried[f"pool={test.pool}"].startswith(expected), output
        assert status == 0
        assert rows["numpy"][0].isdigit()

    @pytest.mark.long
    def test_what_is_broken_takes_nothing_else_down(self, fakes):
        fakes(
            ray="import os\ndef init(*args, **kwargs):\n    os.abort()",
            distributed="import time\ndef LocalCluster(**kwargs):\n    time.sleep(3600)",
            torch="raise ImportError('undefined symbol')",
        )
        write(fakes() / "mpi4py", FAKE_MPI | {"MPI.py": "import os; os.abort()"})
        for seconds in (3 * tries for tries in TRIES):
            status, output = doctor("--timeout", str(seconds))
            rows = rows_of(output)
            if "no answer" not in rows["pool=None"] + rows["pool=ThreadPoolExecutor"]:
                break
        assert rows["pool=ray"].startswith("failed: ended by signal 6"), output
        assert rows["pool=dask Client"] == f"failed: no answer within {seconds} s"
        assert rows["torch"] == "?, import fails: ImportError: undefined symbol"
        assert rows["library"].startswith("does not start: ended by signal 6")
        assert rows["pool=None"].startswith("ok: ")
        assert rows["pool=ThreadPoolExecutor"].startswith("ok: ")
        assert "torch is installed but cannot be imported" in output
        assert status == 1

    def test_self_tests_can_be_left_out(self, fakes):
        fakes(**dict.fromkeys(OPTIONAL, ""))
        write(fakes() / "mpi4py", FAKE_MPI)
        status, output = doctor("--no-tests")
        assert status == 0
        assert "self-tests" not in output
        assert "pool=ray" not in output
        assert rows_of(output)["library"] == "Fake MPI: 7.0"

    def test_copies_that_do_not_know_of_each_other_are_told(self, fakes):
        fakes(**dict.fromkeys(OPTIONAL, ""))
        write(fakes() / "mpi4py", FAKE_MPI)
        variables = {"SLURM_JOB_ID": "4711", "SLURM_STEP_NUM_TASKS": "4"}
        status, output = doctor("--no-tests", **variables, SLURM_PROCID="0")
        assert "srun started 4 copies of this program" in output
        assert rows_of(output)["job"] == "Slurm 4711"
        assert status == 0
        # Only the first of them speaks.
        assert doctor("--no-tests", **variables, SLURM_PROCID="2") == (0, "")

    def test_it_is_found_out_how_it_is_called(self, capsys):
        assert main([]) == 2
        assert "doctor" in capsys.readouterr().err
        with pytest.raises(SystemExit, match=r"^0$"):
            main(["--version"])
        assert capsys.readouterr().out == f"nautilus {__version__}\n"

    @pytest.mark.parametrize("seconds", ["0", "inf", "nan", "soon"])
    def test_a_time_that_is_none_is_refused(self, seconds, capsys):
        with pytest.raises(SystemExit, match=r"^2$"):
            main(["doctor", "--timeout", seconds])
        assert "--timeout" in capsys.readouterr().err


def test_the_page_shows_what_is_printed():
    """Labels and headings of the example are those of the program."""
    page = Path(__file__).resolve().parents[2] / "docs/doctor.md"
    example = page.read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    known = {*rows_of(text_of(replace(HEALTHY, job=BatchJob("Slurm", "1"))))}
    known |= {f"pool={test.pool}" for test in SELF_TESTS} | {"numpy", "scipy", *OPTIONAL}
    shown = set(rows_of(example.split("advice\n")[0]))
    assert {"cores by quota", "memory limit", "library"} <= shown
    assert shown <= known | {"nautilus", "loky", "cloudpickle", "threadpoolctl"} | {
        "openblas 0.3.30", "openblas 0.3.31.188.0"
    }  # fmt: skip
