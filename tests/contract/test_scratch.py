"""Scratch folders: gone with their block, and those of killed processes with the next sweep."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tunesmith_server.adapters.scratch import ScratchFolders

_WORKS = """
import asyncio, sys
from pathlib import Path
from tunesmith_server.adapters.scratch import ScratchFolders
async def main(folder):
    async with ScratchFolders(folder).new() as path:
        (path / "rows.jsonl").write_text("somebody's rows")
        print(path, flush=True)
        await asyncio.sleep(3600)
asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_folder_is_gone_after_its_block(tmp_path: Path):
    scratch = ScratchFolders(tmp_path / "preparing")
    async with scratch.new() as one, scratch.new() as other:
        (one / "rows.jsonl").write_text("somebody's rows")
        assert one != other
    assert os.listdir(tmp_path / "preparing") == []


async def test_a_sweep_takes_what_a_killed_process_left_and_nothing_that_is_in_use(tmp_path: Path):
    child = subprocess.Popen(  # noqa: ASYNC220  # returns at once
        [sys.executable, "-c", _WORKS, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout
    left = Path((await asyncio.to_thread(child.stdout.readline)).strip())
    scratch = ScratchFolders(tmp_path)
    async with scratch.new() as mine:
        await scratch.sweep()
        assert set(os.listdir(tmp_path)) == {left.name, mine.name}
        child.kill()
        await asyncio.to_thread(child.communicate)
        await scratch.sweep()
        assert os.listdir(tmp_path) == [mine.name]


async def test_a_sweep_of_what_never_was_used_is_nothing(tmp_path: Path):
    await ScratchFolders(tmp_path / "preparing").sweep()
