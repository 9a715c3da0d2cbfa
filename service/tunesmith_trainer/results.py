"""`results.csv`: one row per training step, under the column names of the old guide."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

TRAINING_COLUMNS = (
    "step",
    "elapsed_tokens",
    "elapsed_examples",
    "training_loss",
    "training_sequence_accuracy",
    "training_token_accuracy",
)
VALIDATION_COLUMNS = (
    "validation_loss",
    "validation_sequence_accuracy",
    "validation_token_accuracy",
)


class ResultsFile:
    """Appends rows; an empty cell means "not computed at this step".

    `content` is what a checkpoint kept of the file, header included, or None for a new one: so a
    resumed run continues it without a repeated row.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, content: bytes | None) -> None:
        self.columns = tuple(columns)
        header = (",".join(self.columns) + "\n").encode()
        self._path = path
        self._file = path.open("w+b")
        self._file.write(header if content is None else content)
        self._file.flush()

    def append(self, values: Mapping[str, float]) -> None:
        """Append the row of one step; `values` has numbers under some of the columns."""
        cells = (_cell(values.get(column)) for column in self.columns)
        self._file.write((",".join(cells) + "\n").encode())
        self._file.flush()

    def replace_last(self, values: Mapping[str, float]) -> None:
        """Put the row of `values` in the place of the last one."""
        content = self.content()
        start = content.rstrip(b"\n").rfind(b"\n") + 1
        self._file.seek(start)
        self._file.truncate()
        self.append(values)

    def content(self) -> bytes:
        """The whole file as bytes."""
        return self._path.read_bytes()

    def close(self) -> None:
        """Make the file durable and close it."""
        os.fsync(self._file.fileno())
        self._file.close()


def _cell(value: float | None) -> str:
    # repr is the shortest text that reads back as the same number.
    return "" if value is None else repr(value)
