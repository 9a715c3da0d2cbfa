"""Files of any size pass through both ways in constant memory."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon, free_port
from tests.integration.calls import a_tenant
from tests.openai.conformance import works
from tests.openai.conftest import Account

pytestmark = pytest.mark.slow

_MB = 1 << 20
_ROWS = "".join(
    f'{{"prompt": "number {n}: {"lorem ipsum " * 170}->", "completion": " yes"}}\n'
    for n in range(1000)
).encode()
_TIMES = 120


@works("POST /v1/files", "a file of 250 MB: the service takes no more memory than for a small one")
@works("GET /v1/files/{file}/content", "the same on the way down")
async def test_a_large_file_goes_up_and_down_in_constant_memory(tmp_path: Path):
    port = free_port()
    daemon = Daemon(tmp_path, TUNESMITH_HTTP__LISTEN=f"127.0.0.1:{port}")
    await daemon.start()
    try:
        caller = await a_tenant(daemon.address, "acme")
        account = Account("acme", caller, f"http://127.0.0.1:{port}/v1")
        sent, came = hashlib.sha256(), hashlib.sha256()

        async def form() -> AsyncIterator[bytes]:
            yield (
                b'--X\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--X\r\n'
                b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
            )
            for _ in range(_TIMES):
                sent.update(_ROWS)
                yield _ROWS
            yield b"\r\n--X--\r\n"

        async with account.http() as http:
            small = {"file": ("small.jsonl", _ROWS)}
            await http.post("files", files=small, data={"purpose": "fine-tune"})
            idle = daemon.memory("VmRSS")
            daemon.forget_peak()
            kind = {"content-type": "multipart/form-data; boundary=X"}
            made = (await http.post("files", content=form(), headers=kind, timeout=100)).json()
            assert made["bytes"] == _TIMES * len(_ROWS) > 250_000_000
            async with http.stream("GET", f"files/{made['id']}/content") as answer:
                async for chunk in answer.aiter_bytes():
                    came.update(chunk)
        assert came.digest() == sent.digest()
        grown = daemon.memory("VmHWM") - idle
        print(f"{made['bytes'] / _MB:.0f} MiB: {grown / _MB:.1f} MiB over idle")
        assert grown <= 64 * _MB
    finally:
        daemon.stop()
