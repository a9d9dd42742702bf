"""cogwheel: log Z from the file of a run that ended, opened with a prior of zero."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from cogwheel import sampling
from cogwheel_model import LOG_Z
from known_answer import tell

subprocess.run([sys.executable, Path(__file__).with_name("cogwheel_run.py")], check=True)
tell(
    version("cogwheel-pe"),
    log_z=(sampling.Nautilus.read_log_z("folder/checkpoint.hdf5"), LOG_Z, 0.15),
)
