"""Doing without the powers of the superuser, who may write to what is write-protected."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VERSION = 0x20080522
"""Of the structures below; see capget(2)."""

OVERRIDES = (1 << 1) | (1 << 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = tuple((n, ctypes.c_uint32) for n in ("effective", "permitted", "inheritable"))


def _powers() -> "ctypes.Array[_Data]":
    data = (_Data * 2)()
    if ctypes.CDLL(None, use_errno=True).capget(ctypes.byref(_Header(VERSION, 0)), data):
        raise OSError(ctypes.get_errno(), "capget")
    return data


def _set(data: "ctypes.Array[_Data]") -> None:
    if ctypes.CDLL(None, use_errno=True).capset(ctypes.byref(_Header(VERSION, 0)), data):
        raise OSError(ctypes.get_errno(), "capset")


@contextmanager
def without_powers() -> Iterator[None]:
    """Let permissions hold for this process even if it belongs to the superuser."""
    if os.geteuid() or sys.platform != "linux":
        yield
        return
    less = _powers()
    before = less[0].effective
    less[0].effective &= ~OVERRIDES
    _set(less)
    try:
        yield
    finally:
        less[0].effective = before
        _set(less)
