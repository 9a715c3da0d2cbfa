"""Names of processes that hold leases, by which others on the machine know whether they live."""

import os

import psutil


def this_process(node: str, distinction: str) -> str:
    """The name of this process as a holder of leases; `distinction` is unique to each holder."""
    return f"{node}:{os.getpid()}:{_start(os.getpid())}:{distinction}"


def may_live(owner: str, node: str) -> bool:
    """False if `owner` is a process of this node that is gone for sure.

    Of other nodes nobody here can tell: their leases have to run out.
    """
    parts = owner.rsplit(":", 3)
    if len(parts) != 4 or parts[0] != node:
        return True
    return _start(int(parts[1])) == parts[2]


def _start(pid: int) -> str:
    """When a process began, which no later process of the same pid shares; empty if it is gone."""
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""
