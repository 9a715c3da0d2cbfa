"""kill -9 of the real service while it counts: the next one goes on, and no process is left."""

import contextlib
from pathlib import Path

import psutil
import pytest
from tunesmith.v1 import dataset_pb2

from tests.e2e.daemon import Daemon
from tests.integration.calls import Caller, a_tenant
from tests.waiting import until

WORKER = "tunesmith_server.adapters.analysis.worker"
RUNNING, COMPLETE = dataset_pb2.ANALYSIS_STATE_RUNNING, dataset_pb2.ANALYSIS_STATE_COMPLETE


def family(pid: int) -> list[psutil.Process]:
    """The workers of a service, and the processes of their pools."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):
            if WORKER in child.cmdline():
                found += [child, *child.children(recursive=True)]
    return found


def many_rows(count: int) -> bytes:
    """Enough for the rules to be at for a while."""
    words = " ".join(str(number) for number in range(120))
    return b"".join(
        b'{"prompt":"%d %s","completion":" %d"}\n' % (n, words.encode(), n) for n in range(count)
    )


@pytest.mark.slow
async def test_counting_goes_on_after_a_kill_of_the_service(tmp_path: Path):
    daemon = Daemon(tmp_path, TUNESMITH_LOCAL__SLOTS="0")
    await daemon.start()
    try:
        acme = await a_tenant(daemon.address, "acme")
        content = many_rows(60_000)
        await acme.upload(content, "large", chunk=2**20)

        async def look(caller: Caller) -> dataset_pb2.Dataset:
            request = dataset_pb2.GetDatasetRequest(name="tenants/-/datasets/large")
            return (await caller.datasets.GetDataset(request, metadata=caller.metadata)).dataset

        await until(lambda: look(acme), lambda d: d.analysis.state == RUNNING)

        async def at_it() -> list[psutil.Process]:
            return family(daemon.pid)

        processes = await until(at_it, lambda found: len(found) > 0)
        daemon.kill()
        _, left = psutil.wait_procs(processes, timeout=20)
        assert left == []
        await daemon.start()
        again = Caller(daemon.address, acme.key)
        found = await until(lambda: look(again), lambda d: d.analysis.state == COMPLETE)
        assert found.analysis.bytes_done == found.size_bytes == len(content)
        assert found.state == dataset_pb2.DATASET_STATE_READY
    finally:
        daemon.stop()
