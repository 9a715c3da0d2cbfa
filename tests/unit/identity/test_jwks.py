"""Fetching the keys of an issuer, over real HTTP."""

from pathlib import Path

import pytest
from tunesmith_server.adapters.identity.jwks import Jwks, JwksUnavailable

from tests.fakes.certificates import Authority
from tests.fakes.issuer import FakeIssuer


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


async def test_keys_are_found_by_discovery_or_at_the_place_that_is_named():
    with FakeIssuer() as issuer:
        for jwks in (Jwks(issuer.url), Jwks("kubernetes", f"{issuer.url}/keys")):
            assert [key["kid"] for key in await jwks.fetch()] == ["first"]
        assert issuer.requests == {"/.well-known/openid-configuration": 1, "/keys": 2}
        assert issuer.authorization == ""


async def test_what_is_no_key_set_is_said_to_be_none(tmp_path: Path):
    with FakeIssuer() as issuer:
        for jwks, words in (
            (Jwks("x", f"{issuer.url}/nowhere"), "/nowhere answered 404"),
            (Jwks("x", f"{issuer.url}/.well-known/openid-configuration"), "holds no `keys`"),
            (Jwks("x", f"{issuer.url}/keys", token_file=tmp_path / "none"), "No such file"),
        ):
            with pytest.raises(JwksUnavailable, match=words):
                await jwks.fetch()
        issuer.published = issuer.published * 8000
        with pytest.raises(JwksUnavailable, match="more than 1048576 bytes"):
            await Jwks(issuer.url).fetch()
        issuer.claims_to_be = "https://another"
        with pytest.raises(JwksUnavailable, match="another issuer: 'https://another'"):
            await Jwks(issuer.url).fetch()
    with pytest.raises(JwksUnavailable, match="ConnectError"):
        await Jwks(issuer.url).fetch()


async def test_an_issuer_with_a_private_root_is_trusted_by_its_file_alone(tmp_path: Path):
    authority = Authority("cluster")
    token = tmp_path / "token"
    token.write_text("ours\n")
    with FakeIssuer(authority.issue(tmp_path)) as issuer:
        url = f"{issuer.url}/keys"
        ca_file = authority.write(tmp_path)
        jwks = Jwks("x", url, ca_file=ca_file, token_file=token)
        assert [key["kid"] for key in await jwks.fetch()] == ["first"]
        assert issuer.authorization == "Bearer ours"
        for stranger in (None, Authority("stranger").write(tmp_path / "stranger")):
            with pytest.raises(JwksUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await Jwks("x", url, ca_file=stranger).fetch()
