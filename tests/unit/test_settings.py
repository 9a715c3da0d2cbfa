"""Settings that make no sense are refused where they stand, and those of the guide are taken."""

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from tunesmith_server.settings import Grpc, Issuer, Settings

from tests.fakes.certificates import Authority

GUIDE = Path(__file__).parents[2] / "docs/how-to/sign-in-with-oidc.md"
RULES = [{"tenant": "acme", "role": "viewer"}]


def test_a_certificate_and_its_key_go_together(tmp_path: Path):
    authority = Authority("ours")
    cert, key = authority.issue(tmp_path / "one")
    _, other_key = authority.issue(tmp_path / "other")
    ca = authority.write(tmp_path)
    assert Grpc(tls_cert_file=cert, tls_key_file=key, client_ca_file=ca)
    for files, words in (
        ({"tls_cert_file": cert}, "set both or neither"),
        ({"client_ca_file": ca}, "needs tls_cert_file and tls_key_file"),
        ({"tls_cert_file": cert, "tls_key_file": other_key}, r"no certificate with its .* key"),
        ({"tls_cert_file": cert, "tls_key_file": cert}, r"no certificate with its .* key"),
        ({"tls_cert_file": cert, "tls_key_file": tmp_path / "none"}, "does not point to a file"),
        (
            {"tls_cert_file": cert, "tls_key_file": key, "client_ca_file": key},
            r"key\.pem holds no certificates in PEM",
        ),
    ):
        with pytest.raises(ValidationError, match=words):
            Grpc.model_validate(files)


def test_our_own_token_is_shown_only_at_a_place_that_is_written_down(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("ours")
    asked = {"issuer": "https://x", "audience": "a", "rules": RULES, "token_file": token}
    with pytest.raises(ValidationError, match="token_file needs jwks_url"):
        Issuer.model_validate(asked)
    assert Issuer.model_validate(asked | {"jwks_url": "https://x/keys"})


def test_an_issuer_that_is_no_url_needs_a_place_for_its_keys():
    asked = {"issuer": "kubernetes/serviceaccount", "audience": ["a"], "rules": RULES}
    with pytest.raises(ValidationError, match="set jwks_url"):
        Issuer.model_validate(asked)
    assert Issuer.model_validate(asked | {"jwks_url": "https://x/keys"})


def test_an_issuer_is_there_once():
    issuer = Issuer.model_validate({"issuer": "https://x", "audience": "a", "rules": RULES})
    with pytest.raises(ValidationError, match="https://x is there twice"):
        Settings(issuers=(issuer, issuer))


def test_the_first_admin_key_must_look_like_a_key():
    with pytest.raises(ValidationError, match="begins with sk-ts-"):
        Settings.model_validate({"bootstrap_admin_key": "hunter2"})


def test_the_issuers_of_the_guide_are_taken(tmp_path: Path):
    authority = Authority("cluster")
    here = {"ca.crt": authority.write(tmp_path), "token": authority.write(tmp_path)}
    examples = re.findall(
        r"^(?:export TUNESMITH_ISSUERS=')?(\[\{\n.*?^\}\])", GUIDE.read_text(), re.M | re.S
    )
    assert len(examples) == 2
    for example in examples:
        for name, file in here.items():
            example = example.replace(
                f"/var/run/secrets/kubernetes.io/serviceaccount/{name}", str(file)
            )
        asked = json.loads(example)[0]
        [issuer] = Settings.model_validate({"issuers": example}).issuers
        assert [rule.role for rule in issuer.rules] == [rule["role"] for rule in asked["rules"]]
