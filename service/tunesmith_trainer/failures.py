"""How a run can end: the one table of reasons, exit codes and advice."""

from __future__ import annotations

import errno
from enum import StrEnum


class Status(StrEnum):
    """How a run ended, as `outcome.json` says it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


class Reason(StrEnum):
    """Why a run did not succeed. A reason keeps its meaning for ever."""

    INTERNAL = "INTERNAL"
    BAD_RUN_SPEC = "BAD_RUN_SPEC"
    DIRECTORY_BUSY = "DIRECTORY_BUSY"
    USER_DATA = "USER_DATA"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    DIVERGED = "DIVERGED"
    BAD_BASE_MODEL = "BAD_BASE_MODEL"
    STORAGE_FULL = "STORAGE_FULL"
    NOTHING_LEARNT = "NOTHING_LEARNT"
    STOPPED = "STOPPED"


SUCCESS = 0

EXIT_CODES: dict[Reason, int] = {
    Reason.INTERNAL: 1,
    Reason.BAD_RUN_SPEC: 2,  # no outcome.json: nothing has been started
    Reason.DIRECTORY_BUSY: 3,  # no outcome.json of its own: the other trainer will write it
    Reason.USER_DATA: 10,
    Reason.OUT_OF_MEMORY: 11,
    Reason.DIVERGED: 12,
    Reason.BAD_BASE_MODEL: 13,
    Reason.STORAGE_FULL: 14,
    Reason.NOTHING_LEARNT: 15,
    Reason.STOPPED: 20,
}


class RunFailure(Exception):
    """The run cannot go on; `reason`, the message and `advice` go into `outcome.json`.

    `advice` is one sentence that tells the owner of the run what to change, or None where there
    is nothing they can do. Neither may quote training text.
    """

    reason = Reason.INTERNAL

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class BadRunSpec(RunFailure):
    """`run.json` is wrong, or asks for what this machine or this directory does not have."""

    reason = Reason.BAD_RUN_SPEC


class DirectoryBusy(RunFailure):
    """Another trainer holds the lock of this run directory."""

    reason = Reason.DIRECTORY_BUSY


class BadData(RunFailure):
    """The owner's data cannot be trained on."""

    reason = Reason.USER_DATA


class OutOfMemory(RunFailure):
    """Not even one example fits."""

    reason = Reason.OUT_OF_MEMORY


class Diverged(RunFailure):
    """The loss is not a number any more, or far worse than guessing."""

    reason = Reason.DIVERGED


class BadBaseModel(RunFailure):
    """The base model or the parent adapter is absent, damaged or of a kind not supported."""

    reason = Reason.BAD_BASE_MODEL


class StorageFull(RunFailure):
    """The disk under the run directory is full; checkpoints written before are whole."""

    reason = Reason.STORAGE_FULL


class NothingLearnt(RunFailure):
    """A limit or a request ended the run before its first step, so there is no model to make."""

    reason = Reason.NOTHING_LEARNT


class Stopped(RunFailure):
    """The run was asked to stop, and it has: another attempt can go on from its checkpoint."""

    reason = Reason.STOPPED


class Cancelled(Stopped):
    """The run was asked to stop for good: what it has learnt is not needed."""


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# torch raises a plain RuntimeError when the CPU's allocator fails.
_MEMORY_TEXTS = ("DefaultCPUAllocator", "not enough memory", "out of memory", "Cannot allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is a failed allocation of this process or of its accelerator."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _MEMORY_TEXTS)


def classified(error: BaseException) -> RunFailure:
    """The failure that `error`, raised anywhere in a run, is."""
    if isinstance(error, RunFailure):
        return error
    if is_out_of_memory(error):
        return OutOfMemory(
            "The run needs more memory than this machine gives it.",
            advice="Lower max_sequence_length, train fewer layers, or shorten the examples.",
        )
    # safetensors and torch wrap the system's error into their own: look at the text as well.
    if (isinstance(error, OSError) and error.errno in _FULL) or "os error 28" in str(error):
        return StorageFull(
            "The disk under the run directory is full.",
            advice="Free space and start again: the run goes on from its last checkpoint.",
        )
    # The class only: the text of an unforeseen error may quote training data.
    return RunFailure(f"Internal error: {type(error).__name__}; the log has the traceback.")
