"""multipart/form-data read as it comes: a file of any size in constant memory.

The parser is python-multipart's. Clients send `purpose` before or after `file`, with a length or in
chunks; Node's old client sends no length at all.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Self

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from tunesmith_server.domain.text import check_texts
from tunesmith_server.edge.http.calls import Incoming
from tunesmith_server.edge.http.envelopes import refused

_LARGEST_FIELD = 4096
_ROOM = 64 * 1024
"""Bytes that a form may have beside its file: names and fields are kept in memory."""
_GATHERED = 1 << 20
"""The parts of a file are handed on at about this size: small ones cost as much as large ones."""


@dataclass
class FilePart:
    """The file of a form, as far as it has been read."""

    name: str
    form: "Form"

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Its bytes, once."""
        gathered = bytearray()
        async for part in self.form._file_bytes():
            gathered += part
            if len(gathered) >= _GATHERED:
                yield bytes(gathered)
                gathered.clear()
        if gathered:
            yield bytes(gathered)


class Form:
    """One form with one file. To be used as a context; leaves nothing behind."""

    def __init__(self, incoming: Incoming, largest_file: int) -> None:
        self.fields: dict[str, str] = {}
        """The texts that have been read so far."""
        self._incoming = incoming
        self._largest = largest_file
        self._header_name = self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._field: str | None = None
        self._text = b""
        self._file: FilePart | None = None
        self._in_file = self._file_ended = False
        self._bytes: deque[bytes] = deque()
        self._beside = 0
        self._ended = False

    async def __aenter__(self) -> Self:
        kind, options = parse_options_header(self._incoming.request.headers.get("content-type", ""))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise refused(
                "Invalid Content-Type header: a file comes as multipart/form-data with a boundary.",
                status=415 if kind != b"multipart/form-data" else 400,
            )
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._on_part_begin,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_end": self._on_end,
            },
        )
        self._body: AsyncIterator[bytes] = self._incoming.parts(self._largest + _ROOM)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bytes.clear()

    async def file(self, name: str) -> FilePart:
        """The file under this name; the fields before it are in `fields`."""
        while self._file is None:
            if not await self._read():
                raise refused(f"'{name}' is a required property", name)
        check_texts(self._incoming.method, [(name, self._file.name)])
        return self._file

    async def rest(self) -> None:
        """Read the fields that come after the file, to the form's end."""
        while await self._read():
            self._bytes.clear()
        if not self._ended:
            raise refused("The form ends before its last boundary.")

    async def _file_bytes(self) -> AsyncGenerator[bytes, None]:
        while True:
            while self._bytes:
                yield self._bytes.popleft()
            if self._file_ended:
                return
            if not await self._read():
                raise refused("The file ends before its boundary.", "file")

    async def _read(self) -> bool:
        """Read on; whether anything came."""
        async for part in self._body:
            if not part:
                continue
            self._beside += len(part)  # of which `_on_part_data` takes what is the file's
            try:
                self._parser.write(part)
            except MultipartParseError as error:
                raise refused(f"The form cannot be read: {error}.") from None
            if self._beside > _ROOM:
                raise refused(f"The form has more than {_ROOM:,} bytes beside its file.")
            return True
        return False

    # what the parser tells

    def _on_part_begin(self) -> None:
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        file_name = options.get(b"filename")
        if file_name is not None and self._file is None:
            self._file = FilePart(file_name.decode("utf-8", "replace"), self)
            self._in_file = True
        elif file_name is not None:
            raise refused("One file at a time.", name)
        else:
            self._field, self._text = name, b""

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._bytes.append(data[start:end])
            self._beside -= end - start
            return
        self._text += data[start:end]
        if len(self._text) > _LARGEST_FIELD:
            raise refused(f"{(self._field or '')[:80]!r} is longer than {_LARGEST_FIELD} bytes.")

    def _on_part_end(self) -> None:
        if self._in_file:
            self._in_file, self._file_ended = False, True
        elif self._field is not None:
            self.fields[self._field] = self._text.decode("utf-8", "replace")
            self._field = None

    def _on_end(self) -> None:
        self._ended = True
