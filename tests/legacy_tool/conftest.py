"""The old tool, in a virtual environment of the tests: it is no dependency of anything."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.openai.environments import old_python


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


@pytest.fixture(scope="session")
def old_tool() -> Iterator[OldTool]:
    python = old_python()
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
