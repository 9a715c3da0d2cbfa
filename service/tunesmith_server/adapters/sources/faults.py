"""What is wrong with the URI of an import, in the words of the domain."""

from urllib.parse import urlsplit

from tunesmith_server.domain.errors import InvalidArgument, PayloadTooLarge


def refused(description: str) -> InvalidArgument:
    """The error for a URI that is malformed or not allowed."""
    return InvalidArgument.of("uri", description)


def too_large(size: int | None, limit: int) -> PayloadTooLarge:
    """The error for a file of more bytes than are taken; `size` None is more than `limit`."""
    what = f"names a file of {size} bytes" if size is not None else "names a larger file"
    return PayloadTooLarge("uri", f"{what}; this installation imports {limit} at most", limit=limit)


def shown(uri: str) -> str:
    """A URI without its query, which may hold a signature."""
    return urlsplit(uri)._replace(query="", fragment="").geturl()
