"""Which texts a request may have in it."""

from collections.abc import Iterable

from tunesmith_server.domain.errors import FieldViolation, InvalidArgument

_DATA = frozenset(
    f"ModelService/{name}" for name in ("Complete", "StreamComplete", "Chat", "StreamChat")
)
"""What is asked of a model is data, as the rows of a dataset are: any text."""


def check_texts(method: str, texts: Iterable[tuple[str, str]]) -> None:
    """InvalidArgument for each (field, text) with a NUL in it, in a request of `Service/Method`.

    What requests say is kept, looked for and handed on: PostgreSQL knows no such text outside of
    documents, and no file, argument or environment of a trainer can be called so.
    """
    if method in _DATA:
        return
    faults = [
        FieldViolation(field, "has a NUL character (U+0000) in it: leave it out")
        for field in dict.fromkeys(field for field, text in texts if "\0" in text)
    ]
    if faults:
        raise InvalidArgument(faults)
