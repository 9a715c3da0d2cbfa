"""The folders of tuned models and of their checkpoints, kept on this machine."""

import asyncio
import contextlib
import errno
import json
import shutil
import tempfile
from pathlib import Path

from tunesmith_trainer import durable

from tunesmith_server.domain.errors import ChecksumMismatch, StorageFull, Unavailable
from tunesmith_server.ports import BlobRef

_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
"""What a model can be asked by, of all that a checkpoint holds."""


class LocalArtefacts:
    """The Artefacts port: `{folder}/{uid}` and `{uid}.step-{step}`, each whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    async def keep(self, uid: str, folder: Path, digest: str) -> int:
        """Copy a model in, and give its size in bytes; does nothing if it is there already.

        Raises ChecksumMismatch if what was copied is not what the trainer made, and StorageFull.
        """
        return await asyncio.to_thread(self._keep, uid, folder, digest)

    async def keep_checkpoint(self, uid: str, step: int, folder: Path) -> BlobRef | None:
        """Copy the adapter of a checkpoint in; None if it is not whole.

        Raises StorageFull.
        """
        return await asyncio.to_thread(self._keep_checkpoint, uid, step, folder)

    def path(self, uid: str, checkpoint: int | None = None) -> Path:
        """Where the model, or a checkpoint of it, is if it is kept."""
        return self._folder / (uid if checkpoint is None else f"{uid}.step-{checkpoint}")

    async def delete(self, uid: str) -> None:
        """Remove a model and its checkpoints; harmless if there is none."""

        def delete_all() -> None:
            for path in (*self._folder.glob(f"{uid}.step-*"), self.path(uid)):
                self._delete(path)

        await asyncio.to_thread(delete_all)

    async def delete_checkpoint(self, uid: str, step: int) -> None:
        """Remove one checkpoint of a model; harmless if there is none."""
        await asyncio.to_thread(self._delete, self.path(uid, step))

    def _keep(self, uid: str, source: Path, digest: str) -> int:
        if not _is(self.path(uid), digest) and not source.is_dir():
            raise Unavailable(f"the model of {uid} is not in {source}", retry_after=30)
        return self._copied(self.path(uid), source, digest)

    def _keep_checkpoint(self, uid: str, step: int, source: Path) -> BlobRef | None:
        try:
            listed = json.loads((source / "manifest.json").read_bytes())["files"]
            hashes = {name: listed[name] for name in _ADAPTER}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        digest = durable.digest_of(hashes.items())
        try:
            size = self._copied(self.path(uid, step), source, digest, _ADAPTER)
        except (ChecksumMismatch, FileNotFoundError):
            return None
        return BlobRef(digest, size)

    def _copied(
        self, kept: Path, source: Path, digest: str, names: tuple[str, ...] | None = None
    ) -> int:
        """The size of the copy at `kept`, of all of `source` or of files with these names."""
        uid = kept.name
        if _is(kept, digest):
            return durable.folder_size(kept)
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=f".{uid}-") as scratch:
                copy = Path(scratch, "model")
                _copy(source, copy, names)
                if not _is(copy, digest):
                    raise ChecksumMismatch.of("model", f"the model of {uid} is not as it was made")
                # publish_directory replaces what is there: a damaged copy, as seen above
                durable.publish_directory(copy, kept)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("there is no room for the model") from error
            if not _is(kept, digest):  # else somebody else has kept it meanwhile
                raise
        return durable.folder_size(kept)

    def _delete(self, path: Path) -> None:
        # Renamed first, so that nobody finds half a model.
        with contextlib.suppress(FileNotFoundError):
            doomed = Path(tempfile.mkdtemp(dir=self._folder, prefix=f".{path.name}-"))
            try:
                path.rename(doomed / "model")
            finally:
                shutil.rmtree(doomed)


def _is(folder: Path, digest: str) -> bool:
    return folder.is_dir() and durable.folder_digest(folder) == digest


def _copy(source: Path, target: Path, names: tuple[str, ...] | None) -> None:
    target.mkdir()
    files = durable.files_under(source) if names is None else [source / name for name in names]
    for file in files:
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
