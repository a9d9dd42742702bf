"""Environments of front ends, and the two packages that they can be given as ``nautilus``."""

import shutil
import subprocess
import venv
from pathlib import Path

from front_ends import FrontEnd

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".frontends"
PUBLIC_REQUIREMENT = "nautilus-sampler==1.0.6"
NEEDED_BY_BOTH = (
    "numpy", "scipy", "loky", "cloudpickle", "threadpoolctl", "scikit-learn", "tqdm", "h5py",
)  # fmt: skip


def pip(python: Path, *arguments: str) -> None:
    """Run pip, and raise with the end of what it says if it fails."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])


def environment_of(front_end: FrontEnd) -> Path:
    """Return the Python of a front end's environment, made if it is not there.

    The environment holds neither package; the front end is given one of them on its path. So both
    see the same versions of everything else.
    """
    folder = FOLDER / front_end.name
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    wanted = "\n".join(front_end.requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True, symlinks=True)
        pip(python, "install", *front_end.requirements, *NEEDED_BY_BOTH)
        pip(python, "uninstall", "--yes", "nautilus-sampler")
        stamp.write_text(wanted)
    return python


def install_packages(python: Path) -> dict[str, Path]:
    """Return the folders to be put on the path for each package, ours as it is now."""
    folders = {"ours": FOLDER / "ours", "public": FOLDER / "public"}
    shutil.rmtree(folders["ours"], ignore_errors=True)
    pip(python, "install", "--no-deps", "--target", str(folders["ours"]), str(ROOT))
    if not folders["public"].exists():
        to = str(folders["public"])
        pip(python, "install", "--no-deps", "--target", to, PUBLIC_REQUIREMENT)
    return folders
