"""What a file is that holds no text: told by its first bytes."""

from typing import Final

NEEDED: Final = 16
"""So many bytes are enough to tell."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "Parquet"),
    (b"%PDF-", "PDF"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old (.xls) or encrypted Office document"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"ARROW1\0\0", "Arrow"),
    (b"\xff\xff\xff\xff", "Arrow, as a stream"),
    (b"Obj\x01", "Avro"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\xfd7zXZ\0", "compressed by xz"),
    (b"BZh91AY&SY", "compressed by bzip2"),
    (b"\x04\x22\x4d\x18", "compressed by lz4"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\0", "a program"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x80\x05\x95", "a Python pickle"),
)
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")


def is_gzip(head: bytes) -> bool:
    """Whether a gzip file begins so."""
    return head.startswith(b"\x1f\x8b")


def is_zip(head: bytes) -> bool:
    """Whether a ZIP archive begins so; an Excel workbook is one."""
    return head.startswith(_ZIP)


def foreign(head: bytes) -> str | None:
    """The name of what begins so, if it is known and none of the formats of examples."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return None
