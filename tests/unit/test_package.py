"""The package as it is installed."""

from importlib import metadata, resources

import nautilus


def test_it_tells_type_checkers_that_it_is_annotated():
    assert resources.files(nautilus).joinpath("py.typed").is_file()


def test_it_declares_what_it_needs():
    declared = {need.split(">")[0] for need in metadata.requires("nautilus-ins") or ()}
    assert {"numpy", "scipy", "loky", "cloudpickle", "threadpoolctl"} <= declared
