"""The daemon with an issuer: settings from the environment, and nothing of a token in its log."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon
from tests.fakes.issuer import AUDIENCE, FakeIssuer
from tests.integration.calls import a_tenant
from tests.integration.tokens import refusal, unknown_key, who


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as running:
        yield running


@pytest.fixture
async def daemon(issuer: FakeIssuer, tmp_path: Path) -> AsyncIterator[Daemon]:
    trusted = {
        "issuer": issuer.url,
        "audience": AUDIENCE,
        "rules": [{"match": {"sub": "alice"}, "tenant": "acme", "role": "viewer"}],
    }
    daemon = Daemon(
        tmp_path,
        TUNESMITH_ISSUERS=json.dumps([trusted]),
        TUNESMITH_LOG_LEVEL="debug",
        NO_PROXY="127.0.0.1",
    )
    await daemon.start()
    yield daemon
    daemon.stop()


async def test_no_token_and_no_part_of_one_is_ever_in_the_log(daemon: Daemon, issuer: FakeIssuer):
    await a_tenant(daemon.address, "acme")
    good = issuer.token()
    bad = [
        issuer.token(aud="elsewhere"),
        issuer.token(sub="bob"),
        issuer.token(exp=1),
        issuer.token(headers={"kid": "unknown"}),
        f"{good}x",
        "not.a-canary.token",
    ]
    assert (await who(daemon.address, good))[1] == "tenants/acme"
    for token in bad:
        assert await refusal(daemon.address, token) == await unknown_key(daemon.address)
    assert daemon.stop() == 0
    log = daemon.log.read_text()
    assert log.count('"token_refused"') == len(bad)  # it does say why
    parts = {part for token in (good, *bad) for part in token.split(".") if len(part) > 7}
    assert not {part for part in parts if part in log}


def test_an_issuer_that_makes_no_sense_is_named_at_the_start(tmp_path: Path):
    wrong = [
        ('[{"issuer": ', "TUNESMITH_ISSUERS: not JSON: Expecting value: line 1 column 13"),
        ('[{"issuer": "https://x", "rules": []}]', "TUNESMITH_ISSUERS[0].audience: Field required"),
        (
            '[{"issuer": "https://x", "audience": "a", "rules": []}]',
            "TUNESMITH_ISSUERS[0]: rules is empty",
        ),
        (
            '[{"issuer": "https://x", "audience": "a", "rules": [{"role": "editor"}]}]',
            "TUNESMITH_ISSUERS[0].rules[0].tenant: Field required",
        ),
        (
            '[{"issuer": "https://x", "audience": "a", "algorithms": ["HS256"],'
            ' "rules": [{"tenant": "a", "role": "editor"}]}]',
            "TUNESMITH_ISSUERS[0].algorithms[0]: Input should be 'RS256'",
        ),
        (
            '[{"issuer": "http://x", "audience": "a",'
            ' "rules": [{"tenant": "a", "role": "editor"}]}]',
            "TUNESMITH_ISSUERS[0]: issuer 'http://x' is no https URL",
        ),
        (
            '[{"issuer": "https://x", "audience": "a", "ca_file": "/dev/null",'
            ' "rules": [{"tenant": "a", "role": "editor"}]}]',
            "TUNESMITH_ISSUERS[0].ca_file: Path does not point to a file",
        ),
    ]
    for value, words in wrong:
        told = Daemon(tmp_path, TUNESMITH_ISSUERS=value).command("config")
        assert told.returncode == 2
        assert f"error: {words}" in told.stderr, told.stderr
