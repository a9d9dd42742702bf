"""The scripts need front ends in environments of their own: see ``run_all.py``."""

collect_ignore_glob = ["*.py"]
