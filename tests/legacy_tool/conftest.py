"""The old tool, in a virtual environment of the tests: it is no dependency of anything."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_PACKAGES = ("openai==0.28.1", "pandas==2.0.3", "numpy<2", "openpyxl==3.1.5")
_HOME = Path(__file__).parents[2] / ".cache" / "legacy-tool"


@dataclass(frozen=True)
class OldTool:
    """The old tool as a process that prepares one file after the other."""

    process: "subprocess.Popen[str]"

    def prepare(self, path: Path) -> dict[str, Any]:
        """What it prints, whether it gives up or crashes, and the files that it writes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def environment() -> Path:
    """The Python of the virtual environment, which is made on first use; some 15 seconds."""
    marker = _HOME / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python = marker / "bin" / "python"
    done = marker / ".complete"
    if not done.exists():
        import fcntl

        _HOME.mkdir(parents=True, exist_ok=True)
        with (_HOME / "lock").open("w") as lock:  # several workers of pytest may want it
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                venv.create(marker, with_pip=True, clear=True)
                install = [str(python), "-m", "pip", "install", "-q"]
                subprocess.run(
                    [*install, "--disable-pip-version-check", *_PACKAGES], check=True, timeout=600
                )
                done.touch()
    return python


@pytest.fixture(scope="session")
def old_tool() -> Iterator[OldTool]:
    try:
        python = environment()
    except (subprocess.SubprocessError, OSError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the old tool cannot be installed here: {error}")
    driver = Path(__file__).with_name("driver.py")
    process = subprocess.Popen(
        [str(python), "-W", "ignore", str(driver)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONUTF8": "1"},
    )
    with process:
        yield OldTool(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)
