"""The blocking file operations of a store in a folder; they run in threads."""

import fcntl
import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

from tunesmith_server.adapters.blobs.keys import part_key, temporary_key


class PartialFile:
    """A file that is being written under `tmp/` and has no address yet.

    Its methods exclude each other: a cancelled task leaves its thread running, and what that thread
    still does must neither race with the clean-up nor reach another file.
    """

    def __init__(self, folder: Path, key: str = "") -> None:
        self._folder = folder
        self._path = folder / (key or temporary_key())
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._done = False

    def append(self, piece: bytes) -> None:
        """Write all of `piece`."""
        with self._lock:
            if self._done:
                return
            descriptor = self._opened()
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]

    def keep(self, key: str) -> None:
        """Give the file its address, for good: synced, read-only, and the folder synced, too.

        Replaces a blob of the same content. It is young for the sweeper from now on, which is when
        the row that refers to it is still to come.
        """
        with self._lock:
            if self._done:
                return
            descriptor = self._opened()
            os.fchmod(descriptor, 0o440)
            os.utime(descriptor)
            os.fsync(descriptor)
            target = self._folder / key
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                _sync_folder(target.parent.parent)
                _sync_folder(self._folder)
            self._path.replace(target)
            _sync_folder(target.parent)
            self._close()

    def discard(self) -> None:
        """Remove the file if it has no address; nothing is written any more."""
        with self._lock:
            if self._done:
                return
            self._close()
            with suppress(OSError):
                self._path.unlink()

    def _opened(self) -> int:
        if self._descriptor is None:
            self._path.parent.mkdir(exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        return self._descriptor

    def _close(self) -> None:
        self._done = True
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)


class PartFile(PartialFile):
    """What has arrived of one upload: a file that stays until it has an address or is discarded.

    Locked while it is open, against every other process of this machine, too; a process that dies
    lets go of it.
    """

    def __init__(self, folder: Path, uid: str) -> None:
        super().__init__(folder, part_key(uid))

    def open(self) -> int:
        """Open it, or make it; its size. BlockingIOError if somebody else has it open."""
        with self._lock:
            return os.fstat(self._opened()).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Some bytes from an offset on."""
        with self._lock:
            return os.pread(self._opened(), size, offset)

    def sync(self) -> None:
        """Make what was written last, over a loss of power, too."""
        with self._lock:
            if not self._done:
                os.fdatasync(self._opened())

    def leave(self) -> None:
        """Let go of it and let it lie; one without a byte goes."""
        with self._lock:
            if self._done or self._descriptor is None:
                return
            try:
                if os.fstat(self._descriptor).st_size:
                    os.fsync(self._descriptor)
                    _sync_folder(self._path.parent)
                else:
                    self._path.unlink(missing_ok=True)
            finally:
                self._close()

    def _opened(self) -> int:
        if self._descriptor is None:
            if self._done:
                raise RuntimeError("the part was left")
            self._path.parent.mkdir(exist_ok=True)
            self._descriptor = self._locked()
        return self._descriptor

    def _locked(self) -> int:
        """A descriptor of the file that has this name, with the lock on it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        while True:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # who had it may have just moved it to its address, where nobody may write
                if self._path.stat().st_ino == os.fstat(descriptor).st_ino:
                    return descriptor
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


def size_of(path: Path) -> int:
    """The size of a file in bytes; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def sha256_of(path: Path) -> str:
    """The digest of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_if_old(folder: Path, key: str, before: float) -> bool:
    """Remove a file last written before `before` (seconds since the epoch); whether that was done.

    A blob may be committed again at any moment. So the file is taken away first and looked at then:
    if it turns out young, it goes back.
    """
    victim, grave = folder / key, folder / temporary_key()
    try:
        if victim.stat().st_mtime >= before:
            return False
        grave.parent.mkdir(exist_ok=True)
        victim.rename(grave)
    except FileNotFoundError:
        return False
    old = grave.stat().st_mtime < before
    if not old:
        with suppress(FileExistsError):
            os.link(grave, victim)
    grave.unlink()
    return old


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
