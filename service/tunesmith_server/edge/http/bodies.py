"""JSON bodies: decoded as types, with faults in OpenAI's words."""

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from tunesmith_server.domain.text import check_texts
from tunesmith_server.edge.http.envelopes import Refused, refused

T = TypeVar("T")


def decoded(raw: bytes, kind: type[T], method: str) -> T:
    """The body of a call of `Service/Method` as `kind`.

    null is the same as absent. Refused if it is no JSON object, has a field that `kind` has not, or
    a value of another type; InvalidArgument for a text that cannot be kept.
    """
    try:
        value = msgspec.json.decode(raw)
        if not isinstance(value, dict):
            raise refused("The body of the request is not a JSON object.")
        if b"\\u0000" in raw:
            check_texts(method, ((name, text) for name in value for text in _texts(value[name])))
        return msgspec.convert(_without_nulls(value), kind)
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None
    except msgspec.DecodeError as error:
        raise refused(
            "We could not parse the JSON body of your request. The API expects a JSON payload, "
            f"but what was sent was not valid JSON: {error}."
        ) from None
    except RecursionError:
        raise refused("The JSON body of your request is nested too deeply.") from None


def canonical(value: Any) -> str:
    """A body as the text that an Idempotency-Key is bound to."""
    return msgspec.json.encode(value, order="deterministic").decode()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _without_nulls(value: Any) -> Any:
    """The old command line sends null for whatever was not given."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _misfit(message: str) -> Refused:
    """msgspec's words as OpenAI's."""
    words, _, path = message.partition(" - at `$")
    param = path.strip("`").lstrip(".") or None
    if words.startswith("Object contains unknown field"):
        name = words.split("`")[1]
        return refused(f"Unrecognized request argument supplied: {name}", name)
    if words.startswith("Object missing required field"):
        name = words.split("`")[1]
        return refused(f"you must provide a {name} parameter", name)
    return refused(f"{words[0].lower()}{words[1:]} for '{param}'" if param else words, param)
