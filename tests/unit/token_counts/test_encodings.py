"""OpenAI's encodings out of the vocabularies that ship with the package."""

import builtins
import hashlib

import pytest
import tiktoken
from tunesmith.dataset_rules.shapes import Chat, Message
from tunesmith.token_counts import ENCODINGS, EncodingMissing, TokenTally, encodings, load_encoding

TEXT = "Grüße, 世界! \U0001f600  def f(x):\n        return x  # don't"


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_vocabulary_is_the_one_that_tiktoken_expects(name):
    assert hashlib.sha256(encodings.vocabulary(name)).hexdigest() == ENCODINGS[name]


@pytest.mark.parametrize("name", ENCODINGS)
def test_an_encoding_loads_without_a_network(name, monkeypatch):
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("an encoding was asked for over the network")

    monkeypatch.setattr("tiktoken.load.read_file", no_network)
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", {})
    encoder = load_encoding(name)
    assert tiktoken.get_encoding(name).decode(list(encoder.ids(TEXT))) == TEXT
    assert encoder.encode([TEXT]) == [len(encoder.ids(TEXT))]


def test_the_tokens_of_words_are_those_that_openai_publishes():
    assert list(load_encoding("cl100k_base").ids("tiktoken is great!")) == [
        *(83, 1609, 5963, 374, 2294, 0)
    ]
    assert list(load_encoding("r50k_base").ids("Hello, world!")) == [15496, 11, 995, 0]


def test_a_conversation_counts_as_openais_cookbook_counts_it():
    chat = Chat(
        (
            Message("system", "You are a helpful assistant."),
            Message("user", "Hi"),
            Message("assistant", "Hello there"),
        )
    )
    encoder = load_encoding("cl100k_base")
    tally = TokenTally(encoder)
    tally.add([chat])
    # three a message, its role, its content, and three for the answer's beginning
    texts = [text for message in chat.messages for text in (message.role, message.content)]
    assert tally.count().total == 3 * 3 + sum(encoder.encode(texts)) + 3


def test_an_unknown_encoding_is_refused_with_those_there_are():
    with pytest.raises(EncodingMissing, match="there are r50k_base, p50k_base"):
        load_encoding("gpt5")


def test_without_tiktoken_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def no_tiktoken(name, *args, **kwargs):
        if name == "tiktoken":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_tiktoken)
    with pytest.raises(EncodingMissing, match=r'pip install "tunesmith\[tokens\]"'):
        load_encoding("r50k_base")


def test_a_damaged_vocabulary_is_refused(monkeypatch):
    monkeypatch.setattr(encodings, "ENCODINGS", {"cl100k_base": "0" * 64})
    with pytest.raises(EncodingMissing, match="not the one that tiktoken expects"):
        load_encoding("cl100k_base")
