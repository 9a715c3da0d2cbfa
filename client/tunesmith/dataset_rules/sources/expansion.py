"""How much a compressed file may grow.

Text of examples shrinks to a third or a tenth by gzip, repetitive text to a hundredth; a bomb is a
thousand times larger than its file. The bound follows the bytes that have come, so that whoever
wants a gigabyte to be unpacked has to send megabytes.
"""

from typing import Final

FREE_BYTES: Final = 32 * 2**20
"""So much may come out of any file, however small."""
RATIO: Final = 200
"""And so many bytes for each byte of the file."""


def allowed(packed_bytes: int) -> int:
    """The most that `packed_bytes` may become."""
    return FREE_BYTES + RATIO * packed_bytes
