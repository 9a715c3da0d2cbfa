"""Trainer processes: started once per attempt, found again by whoever looks after them.

Two files tell of a process. `process.lock` is locked (flock) from before the spawn, and the child
inherits the lock, so it is held without a gap for as long as a trainer lives, even if the server
dies before it has recorded whom it started. `process.json` is that record: the pid with its start
time, which no other process can have.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from tunesmith_trainer import durable

from tunesmith_server.adapters.local.folder import AttemptFolder
from tunesmith_server.domain.observation import StopMode

_SAME_START = 2.0
"""Seconds by which the start time of a process may seem to move when the clock is set."""
_KILL_PATIENCE = 5.0


class TrainerProcesses:
    """The trainers on this machine, those of an earlier server included. Its methods may block."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        memory_limit_bytes: int | None = None,
    ) -> None:
        self._command = tuple(command)
        self._environment = dict(environment)
        self._memory_limit = memory_limit_bytes
        self._children: dict[Path, subprocess.Popen[bytes]] = {}

    def start(self, folder: AttemptFolder, prepare: Callable[[], bytes | None]) -> bool:
        """Spawn the attempt's trainer unless that was done before; `prepare` is called just before.

        What `prepare` returns, at most what a pipe holds, the trainer finds on its standard input.
        Whoever calls it, in whichever process and however often: one trainer starts.
        """
        folder.path.mkdir(parents=True, exist_ok=True)
        with _locked(folder.guard) as lock:
            if lock is None or was_started(folder) or _shall_not_start(folder):
                return False
            handed = prepare()
            command = [*self._command, str(folder.spec)]
            # Popen, since asyncio's transport kills a living child when it is closed or collected,
            # and training outlives the server. Nothing of Python runs between fork and exec:
            # a process that uses gRPC would not survive that (grpc #43055).
            with folder.log.open("ab") as output, _input(handed) as given:
                child = subprocess.Popen(
                    command,
                    stdin=given,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder.path,
                    env=self._environment,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
            self._children[folder.path] = child
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(child.pid)
                _record(folder, process, command)
                if self._memory_limit is not None:
                    limit = (self._memory_limit, self._memory_limit)
                    process.rlimit(psutil.RLIMIT_DATA, limit)
        return True

    def is_alive(self, folder: AttemptFolder) -> bool:
        """Whether a trainer works on the attempt, or is just being started."""
        self._bury()
        if folder.process.exists():
            return _recorded(folder) is not None
        return _is_locked(folder.guard)

    def exit_code(self, folder: AttemptFolder) -> int | None:
        """The exit code, negative for a signal; None if it is not known (any more)."""
        child = self._children.get(folder.path)
        return child.poll() if child else None

    def terminate(self, folder: AttemptFolder) -> None:
        """Send the trainer SIGTERM, unless it is so young that the signal would kill it.

        It reads `stop.json` in any case; the signal is for one that was started by an earlier
        version.
        """
        if folder.listens() and (leader := self._leader(folder)):
            with contextlib.suppress(psutil.NoSuchProcess):
                leader.terminate()

    def kill(self, folder: AttemptFolder) -> bool:
        """End the trainer and its children, and wait until it is gone; whether it is."""
        leader = self._leader(folder)
        if leader is None:
            return not self.is_alive(folder)
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(leader.pid) == leader.pid:
                os.killpg(leader.pid, signal.SIGKILL)
            else:
                leader.kill()
        deadline = time.monotonic() + _KILL_PATIENCE
        while self.is_alive(folder):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def forget(self, run_folder: Path) -> None:
        """Drop what is remembered of the attempts of a run."""
        for path in [path for path in self._children if path.is_relative_to(run_folder)]:
            if self._children[path].poll() is not None:
                del self._children[path]

    def _leader(self, folder: AttemptFolder) -> psutil.Process | None:
        self._bury()
        if folder.process.exists():
            return _recorded(folder)
        if not _is_locked(folder.guard):
            return None
        # The server that started it died before it could write that down: do it now.
        guard = str(folder.guard.resolve())
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                if command[-1:] != [str(folder.spec)]:
                    continue
                if any(file.path == guard for file in process.open_files()):
                    _record(folder, process, command)
                    return process
        return None

    def _bury(self) -> None:
        """Take note of the children that have ended, so that none stays a zombie."""
        for child in list(self._children.values()):
            child.poll()


def was_started(folder: AttemptFolder) -> bool:
    """Whether the attempt has had its trainer."""
    return folder.process.exists() or folder.outcome.exists()


def _shall_not_start(folder: AttemptFolder) -> bool:
    """Whether it was stopped before its start. To finish, though, takes a trainer."""
    return folder.stop_mode() in (StopMode.PAUSE, StopMode.CANCEL)


def _record(folder: AttemptFolder, process: psutil.Process, command: Sequence[str]) -> None:
    record = {
        "pid": process.pid,
        "start_time": process.create_time(),
        "command": list(command),
    }
    durable.replace_json(folder.process, record)


def _recorded(folder: AttemptFolder) -> psutil.Process | None:
    """The process on record if it lives. A zombie does not: its files and locks are gone."""
    try:
        record = json.loads(folder.process.read_bytes())
        process = psutil.Process(record["pid"])
        same = abs(process.create_time() - record["start_time"]) < _SAME_START
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, FileNotFoundError):
        return None


@contextlib.contextmanager
def _input(content: bytes | None) -> Iterator[int]:
    """A standard input with `content` and an end; nothing of it is ever on a disk."""
    if content is None:
        yield subprocess.DEVNULL
        return
    reader, writer = os.pipe()
    try:
        with open(writer, "wb") as pipe:  # closed before the child reads, which sees the end
            os.set_blocking(writer, False)  # too much is an error, not a wait for ever
            pipe.write(content)
        yield reader
    finally:
        os.close(reader)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """The descriptor of the file, locked; None if somebody else has the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor if _lock(descriptor, fcntl.LOCK_EX) else None
    finally:
        os.close(descriptor)  # a child that inherited it keeps the lock


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # A shared lock, so that two who look do not see each other.
        return not _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
