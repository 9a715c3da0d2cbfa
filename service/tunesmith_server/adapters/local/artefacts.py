"""The folders of tuned models, kept on this machine."""

import asyncio
import contextlib
import errno
import shutil
import tempfile
from pathlib import Path

from tunesmith_trainer import durable

from tunesmith_server.domain.errors import ChecksumMismatch, StorageFull, Unavailable


class LocalArtefacts:
    """The Artefacts port: `{folder}/{uid}`, each there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    async def keep(self, uid: str, folder: Path, digest: str) -> int:
        """Copy a model in, and give its size in bytes; does nothing if it is there already.

        Raises ChecksumMismatch if what was copied is not what the trainer made, and StorageFull.
        """
        return await asyncio.to_thread(self._keep, uid, folder, digest)

    def path(self, uid: str) -> Path:
        """Where the model is, if it is kept."""
        return self._folder / uid

    async def delete(self, uid: str) -> None:
        """Remove a model; harmless if there is none."""
        await asyncio.to_thread(self._delete, uid)

    def _keep(self, uid: str, source: Path, digest: str) -> int:
        kept = self.path(uid)
        if _is(kept, digest):
            return durable.folder_size(kept)
        if not source.is_dir():
            raise Unavailable(f"the model of {uid} is not in {source}", retry_after=30)
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=f".{uid}-") as scratch:
                copy = Path(scratch, "model")
                _copy(source, copy)
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

    def _delete(self, uid: str) -> None:
        # Renamed first, so that nobody finds half a model.
        with contextlib.suppress(FileNotFoundError):
            doomed = Path(tempfile.mkdtemp(dir=self._folder, prefix=f".{uid}-"))
            try:
                self.path(uid).rename(doomed / "model")
            finally:
                shutil.rmtree(doomed)


def _is(folder: Path, digest: str) -> bool:
    return folder.is_dir() and durable.folder_digest(folder) == digest


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for file in durable.files_under(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
