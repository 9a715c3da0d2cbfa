"""Processes of our own that work for the service: what they get of it, and how they end."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tunesmith.dataset_rules.fixes import Job
from tunesmith_server.adapters.analysis.process import ProcessAnalyser
from tunesmith_server.adapters.blobs import BlobMissing
from tunesmith_server.adapters.local.bases import BaseLibrary
from tunesmith_server.adapters.preparation import ProcessPreparation
from tunesmith_server.domain.analysis import RULES, Content, leakage_subject

ROW = b'{"prompt": "2 + 2 ->", "completion": " 4"}\n'
VALIDATION = Content("a" * 64, "prompt_completion", len(ROW))


async def go_on(bytes_done: int) -> bool:
    return True


class HalfABlob:
    """A blob that is gone when half of it was read."""

    async def read(self, digest: str, offset: int = 0) -> AsyncIterator[bytes]:
        yield ROW
        raise BlobMissing("there is no such blob")


async def test_an_analysis_whose_bytes_cannot_be_read_ends_at_once(tmp_path: Path):
    blobs: Any = HalfABlob()
    analyser = ProcessAnalyser(blobs, BaseLibrary(folder=tmp_path), processes=1, stall_seconds=600)
    content = Content("a" * 64, "prompt_completion", 2 * len(ROW))

    async with asyncio.timeout(60):
        with pytest.raises(BlobMissing):
            await analyser.analyse(content, [RULES], go_on)


class OneBlob:
    """All that there is."""

    async def read(self, digest: str, offset: int = 0) -> AsyncIterator[bytes]:
        if digest != VALIDATION.digest:
            raise BlobMissing("there is no such blob")
        yield ROW


async def test_training_data_that_is_gone_costs_the_comparison_and_nothing_else(tmp_path: Path):
    blobs: Any = OneBlob()
    analyser = ProcessAnalyser(blobs, BaseLibrary(folder=tmp_path), processes=1)
    gone = leakage_subject(Content("b" * 64, "prompt_completion", len(ROW)))
    outcomes = await analyser.analyse(VALIDATION, [RULES, gone], go_on)
    assert outcomes[RULES].report is not None
    assert "no longer there" in outcomes[gone].error


async def the_worker(module: str) -> psutil.Process:
    """The child of this process that runs a module."""
    while True:
        for child in psutil.Process().children():
            if module in child.cmdline():
                return child
        await asyncio.sleep(0.01)


async def test_a_preparation_gets_no_secret_of_the_service_and_ends_with_who_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUNESMITH_BOOTSTRAP_ADMIN_KEY", "sk-ts-a-secret")
    os.mkfifo(tmp_path / "rows.jsonl")  # whoever opens it waits
    job = Job(str(tmp_path / "rows.jsonl"))
    async with asyncio.timeout(60):
        running = asyncio.create_task(ProcessPreparation().run(job))
        child = await the_worker("tunesmith.dataset_rules.fixes")
        assert "sk-ts-a-secret" not in child.environ().values()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert not child.is_running()


async def test_a_preparation_takes_no_module_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken from where the service stands')")
    (tmp_path / "rows.jsonl").write_bytes(ROW)
    monkeypatch.chdir(tmp_path)
    outcome = await ProcessPreparation().run(Job(str(tmp_path / "rows.jsonl")))
    assert outcome.summary.rows_after == 1
