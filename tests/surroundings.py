"""What tests need of the machine that they run on, beyond what is installed with us."""

import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

_MOUNT = 'mount -t tmpfs -o size="$1" none "$2" || exit 77; shift 2; exec "$@"'


def lacking(what: str) -> NoReturn:
    """Skip a test for what this machine lacks; fail it in CI, where nobody would miss the test."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must not go without: {what}")
    pytest.skip(what)


def a_small_disk(folder: Path, size: int) -> list[str]:
    """A command that runs the one behind it where `folder` has room for `size` bytes.

    The disk is a tmpfs in a mount namespace of the command's own, which takes root.
    """
    within = ["unshare", "-m", "sh", "-c", _MOUNT, "sh", str(size), str(folder)]
    try:
        probe = subprocess.run([*within, "true"], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        lacking("unshare(1), for a disk of our own")
    if probe.returncode:
        lacking(f"the right to mount a disk of our own: {probe.stderr.strip()}")
    return within
