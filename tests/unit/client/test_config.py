"""Arguments, then the environment, then the file."""

from pathlib import Path

import pytest
from tunesmith import ConfigurationError
from tunesmith._config import Endpoint, TlsFiles, endpoint, path

FILE = """
current = "home"
[contexts.home]
address = "home:1"
api_key = "home-key"
[contexts.work]
address = "work:1"
api_key = "work-key"
"""


@pytest.fixture
def file() -> Path:
    path().parent.mkdir(parents=True)
    path().write_text(FILE)
    return path()


def test_without_anything_it_is_this_machine():
    assert endpoint() == Endpoint("127.0.0.1:50051", "")


def test_arguments_go_before_the_environment_before_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    assert endpoint() == Endpoint("home:1", "home-key")
    assert endpoint(context="work") == Endpoint("work:1", "work-key")
    monkeypatch.setenv("TUNESMITH_CONTEXT", "work")
    assert endpoint() == Endpoint("work:1", "work-key")
    monkeypatch.setenv("TUNESMITH_ADDRESS", "env:1")
    monkeypatch.setenv("TUNESMITH_API_KEY", "env-key")
    assert endpoint() == Endpoint("env:1", "env-key")
    assert endpoint("arg:1", "arg-key") == Endpoint("arg:1", "arg-key")
    assert endpoint(context="home") == Endpoint("home:1", "home-key")


def test_a_key_of_the_file_is_shown_to_the_address_of_the_file_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUNESMITH_ADDRESS", "elsewhere:1")
    assert endpoint() == Endpoint("elsewhere:1", "")
    assert endpoint("home:1") == Endpoint("home:1", "home-key")
    # unless both were asked for by name
    assert endpoint("elsewhere:1", context="work") == Endpoint("elsewhere:1", "work-key")


def test_an_unknown_context_names_those_there_are(file: Path):
    with pytest.raises(ConfigurationError, match="'nowhere'; it has home, work"):
        endpoint(context="nowhere")


@pytest.mark.parametrize("content", [b"= no toml", b"\xff\xfe", b"contexts = 3\ncurrent = 'x'"])
def test_a_file_that_is_none_is_named(file: Path, content: bytes):
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"config\.toml"):
        endpoint()


def test_files_for_tls_come_from_the_same_places_in_the_same_order(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    file.write_text(FILE + 'tls_ca_file = "ca.pem"\ntls_cert_file = "/etc/cert.pem"\n')
    beside = str(file.parent / "ca.pem")
    assert endpoint(context="work").tls == TlsFiles(beside, "/etc/cert.pem")
    assert endpoint().tls == TlsFiles()
    monkeypatch.setenv("TUNESMITH_CONTEXT", "work")
    monkeypatch.setenv("TUNESMITH_TLS_CA_FILE", "env.pem")
    assert endpoint().tls == TlsFiles("env.pem", "/etc/cert.pem")
    assert endpoint(tls=TlsFiles("arg.pem")).tls == TlsFiles("arg.pem", "/etc/cert.pem")
    # what is for the file's address is not shown to another
    assert endpoint("elsewhere:1").tls == TlsFiles("env.pem")


def test_a_file_that_holds_the_key_is_named_where_a_key_is(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    file.write_text(FILE.replace('api_key = "work-key"', 'api_key_file = "work.token"'))
    beside = str(file.parent / "work.token")
    assert endpoint(context="work") == Endpoint("work:1", "", beside)
    assert endpoint(api_key="arg-key", context="work") == Endpoint("work:1", "arg-key")
    monkeypatch.setenv("TUNESMITH_API_KEY_FILE", "env.token")
    assert endpoint() == Endpoint("home:1", "", "env.token")
    monkeypatch.setenv("TUNESMITH_API_KEY", "env-key")
    assert endpoint() == Endpoint("home:1", "env-key")
