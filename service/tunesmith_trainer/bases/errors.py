"""Why a base could not be made, with the exit code that says so."""

from __future__ import annotations


class BaseError(Exception):
    """The base cannot be made; the text is one line for people."""

    exit_code = 1


class UnknownSource(BaseError):
    """The source is of no known kind, or names nothing."""

    exit_code = 2


class SourceUnreachable(BaseError):
    """The package index or the model hub does not answer, or lacks it."""

    exit_code = 3


class WrongDigest(BaseError):
    """What came is not what is pinned."""

    exit_code = 4


class DiskFull(BaseError):
    """There is no room for the base."""

    exit_code = 5


class NotABase(BaseError):
    """The folder lacks what a base needs."""

    exit_code = 6
