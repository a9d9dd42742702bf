"""The command `python -m nautilus`."""

import sys

from nautilus.cli import main

if __name__ == "__main__":
    sys.exit(main())
