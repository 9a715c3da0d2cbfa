"""OpenAI's own clients, each in surroundings of its own: none is a dependency of anything here.

They are installed on first use, under `.cache`; several workers of pytest may want one at once.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

_CACHE = Path(__file__).parents[2] / ".cache"
_PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"

OLD = ("openai==0.28.1", "pandas==2.0.3", "numpy<2", "openpyxl==3.1.5")
"""The last client with the guide's commands, and what its prepare_data needs."""
WITH_WANDB = ("openai==0.28.1", "pandas==2.0.3", "numpy<2", "wandb==0.15.12")
NEW = ("openai==3.57.0",)
OLD_NODE = "openai@3.3.0"
NEW_NODE = "openai@6.49.0"


def old_python() -> Path:
    """The Python that has the old client."""
    return _python("legacy-tool", OLD)


def old_python_with_wandb() -> Path:
    """The Python that has the old client and Weights & Biases."""
    return _python("legacy-tool-wandb", WITH_WANDB)


def new_python() -> Path:
    """The Python that has the current SDK."""
    return _python("openai-sdk", NEW)


def node(package: str) -> Path:
    """A folder in which Node finds `package`."""
    need("node")
    need("npm")
    home = _CACHE / package.replace("@", "-")
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), package]
    _once(home, home, lambda: _run(npm))
    return home


def need(program: str) -> None:
    """Skip the test where a program is not installed; in CI, where it should be, fail."""
    if not shutil.which(program):
        _without(f"there is no {program} on this machine")


def _without(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)  # the reason is the caller's: which program or package is missing


def _python(name: str, packages: Sequence[str]) -> Path:
    home = _CACHE / name
    folder = home / _PYTHON
    python = folder / "bin" / "python"

    def make() -> None:
        venv.create(folder, with_pip=True, clear=True)
        _run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages])

    _once(home, folder, make)
    return python


def _once(home: Path, folder: Path, make: Callable[[], None]) -> None:
    done = folder / ".complete"
    if done.exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    try:
        with (home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                make()
                done.touch()
    except (subprocess.SubprocessError, OSError) as error:
        _without(f"this client cannot be installed here: {error}")


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, timeout=600, stdout=subprocess.DEVNULL)
