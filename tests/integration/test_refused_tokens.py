"""Tokens that must open nothing: each refused in the same words, each for its own cause."""

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs
from tunesmith.v1 import tenant_pb2

from tests.fakes.issuer import FakeIssuer, SigningKey, segment
from tests.integration.calls import Caller
from tests.integration.tokens import kubernetes, refusal, unknown_key


def by_hand(issuer: FakeIssuer, header: dict[str, Any], signature: bytes = b"") -> str:
    """A token whose header its attacker has written."""
    claims = json.loads(decoded(issuer.token().split(".")[1]))
    return f"{segment({'kid': issuer.key.id} | header)}.{segment(claims)}.{encoded(signature)}"


def hmac_with_the_public_key(issuer: FakeIssuer) -> str:
    """The confusion of algorithms: what everybody knows, used as the secret."""
    unsigned = by_hand(issuer, {"alg": "HS256"}).rstrip(".")
    return f"{unsigned}.{encoded(hmac.digest(issuer.key.pem(), unsigned.encode(), 'sha256'))}"


def tampered(issuer: FakeIssuer) -> str:
    header, payload, signature = issuer.token().split(".")
    claims = json.loads(decoded(payload)) | {"sub": "root", "groups": ["ops"]}
    return f"{header}.{segment(claims)}.{signature}"


def encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


LATER, BEFORE = 300, -300
BAD: dict[str, tuple[Callable[[FakeIssuer], str], str]] = {
    "not a token": (lambda issuer: "hello", "not a token"),
    "dots": (lambda issuer: "..", "not a token"),
    "not base64": (lambda issuer: "!.!.!", "not a token"),
    "lists": (lambda issuer: "W10.W10.W10", "not a token"),
    "with a tail that is no base64": (lambda issuer: issuer.token() + "!", "DecodeError"),
    "in five parts": (lambda issuer: f"{issuer.token()}.e30.e30", "not a token"),
    "deep": (lambda issuer: f"{encoded(b'[' * 9000)}.e30.e30", "not a token"),
    "huge": (lambda issuer: issuer.token(padding="x" * 20_000), "too long"),
    "expired": (
        lambda issuer: issuer.token(exp=int(time.time()) + BEFORE),
        "ExpiredSignatureError",
    ),
    "without an end": (lambda issuer: issuer.token(exp=None), "MissingRequiredClaimError"),
    "not yet valid": (
        lambda issuer: issuer.token(nbf=int(time.time()) + LATER),
        "ImmatureSignatureError",
    ),
    "issued in the future": (
        lambda issuer: issuer.token(iat=int(time.time()) + LATER),
        "ImmatureSignatureError",
    ),
    "odd times": (lambda issuer: issuer.token(exp="soon"), "DecodeError"),
    "for another audience": (lambda issuer: issuer.token(aud="elsewhere"), "InvalidAudienceError"),
    "for nobody": (lambda issuer: issuer.token(aud=None), "MissingRequiredClaimError"),
    "of another issuer": (
        lambda issuer: issuer.token(iss="https://elsewhere.example.com"),
        "issuer not trusted",
    ),
    "of an issuer that is nearly ours": (
        lambda issuer: issuer.token(iss=f"{issuer.url}/"),
        "issuer not trusted",
    ),
    "of no issuer": (lambda issuer: issuer.token(iss=None), "issuer not trusted"),
    "without a subject": (lambda issuer: issuer.token(sub=None), "MissingRequiredClaimError"),
    "algorithm none": (
        lambda issuer: by_hand(issuer, {"alg": "none"}),
        "algorithm not allowed",
    ),
    "algorithm None": (
        lambda issuer: by_hand(issuer, {"alg": "None"}),
        "algorithm not allowed",
    ),
    "algorithm missing": (lambda issuer: by_hand(issuer, {}), "algorithm not allowed"),
    "algorithm in a list": (
        lambda issuer: by_hand(issuer, {"alg": ["ES256"]}),
        "algorithm not allowed",
    ),
    "signed with the public key": (hmac_with_the_public_key, "algorithm not allowed"),
    "tampered": (tampered, "InvalidSignatureError"),
    "not signed": (lambda issuer: by_hand(issuer, {"alg": "ES256"}), "InvalidSignatureError"),
    "signed by another": (
        lambda issuer: issuer.token(SigningKey("first")),
        "InvalidSignatureError",
    ),
    "of another kind of key": (
        lambda issuer: issuer.token(SigningKey("first", "RS256")),
        "no such key",
    ),
    "without a key id": (
        lambda issuer: by_hand(issuer, {"alg": "ES256", "kid": None}),
        "no key id",
    ),
    "of an unknown key": (lambda issuer: issuer.token(SigningKey("second")), "no such key"),
    "with a key that it brings": (
        lambda issuer: issuer.token(own := SigningKey("own"), headers={"jwk": own.public()}),
        "no such key",
    ),
    "with a place for its keys": (
        lambda issuer: issuer.token(SigningKey("own"), headers={"jku": f"{issuer.url}/own"}),
        "no such key",
    ),
    "critical": (lambda issuer: issuer.token(headers={"crit": ["x"], "x": 1}), "InvalidTokenError"),
    "mapped by no rule": (lambda issuer: issuer.token(sub="bob"), "no rule applies"),
    "of a tenant that is not there": (
        lambda issuer: issuer.token(sub="mallory"),
        "no such tenant",
    ),
    "of a namespace without a tenant": (
        lambda issuer: issuer.token(**kubernetes("kube-system")),
        "no such tenant",
    ),
    "of a namespace that is no tenant's": (
        lambda issuer: issuer.token(**kubernetes("../acme")),
        "no rule applies",
    ),
    "of another account": (
        lambda issuer: issuer.token(**kubernetes("acme", "default")),
        "no rule applies",
    ),
}


async def test_every_refusal_is_that_of_an_unknown_key_and_the_cause_is_in_the_log_alone(
    issuer: FakeIssuer, trusting_address: str
):
    expected = await unknown_key(trusting_address)
    outcomes = {}
    for what, (make, _) in BAD.items():
        with capture_logs() as logs:
            same = await refusal(trusting_address, make(issuer)) == expected
        causes = [entry["cause"] for entry in logs if entry["event"] == "token_refused"]
        outcomes[what] = (same, causes)
    assert outcomes == {what: (True, [cause]) for what, (_, cause) in BAD.items()}
    # and nothing that a token names was asked for
    assert set(issuer.requests) == {"/.well-known/openid-configuration", "/keys"}


async def test_what_shows_no_bearer_credential_is_refused_likewise(trusting_address: str):
    expected = await unknown_key(trusting_address)
    caller = Caller(trusting_address, "")
    for header in (None, "", "Bearer", "Bearer ", "Basic YTpi", "sk-ts-x", "Token sk-ts-x"):
        metadata = () if header is None else (("authorization", header),)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller.tenants.WhoAmI(tenant_pb2.WhoAmIRequest(), metadata=metadata)
        assert (refused.value.code(), refused.value.details()) == expected[:2]
