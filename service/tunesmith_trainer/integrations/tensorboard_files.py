"""TensorBoard's event files, by tensorboardX: the writer alone, without TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith_trainer.integrations.tracker import End, Facts, Measured


class TensorBoardFiles:
    """A folder of event files. What an earlier attempt wrote of later steps, TensorBoard drops."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._facts: Facts | None = None
        self._writer: Any = None

    def open(self, facts: Facts) -> int:
        """Begin; nothing is left out, since what is told again takes the place of the former."""
        import tensorboardX

        self._module = tensorboardX
        self._facts = facts
        self._writer = None
        return 0

    def log(self, measurements: Sequence[Measured]) -> None:
        """Write them, and make sure that they can be read."""
        if self._writer is None and measurements:
            self._writer = self._module.SummaryWriter(
                str(self._folder), purge_step=measurements[0].step
            )
            assert self._facts is not None  # it is open
            rows = "".join(f"| {name} | {value} |\n" for name, value in self._facts.config.items())
            self._writer.add_text("run", f"| | |\n| --- | --- |\n{rows}", measurements[0].step)
        for each in measurements:
            for name, value in each.values.items():
                self._writer.add_scalar(name, value, each.step, walltime=each.time)
        if self._writer is not None:
            self._writer.flush()

    def close(self, end: End | None) -> None:
        """Write how it ended."""
        if self._writer is None:
            return
        if end is not None:
            rows = "".join(f"| {name} | {value} |\n" for name, value in end.summary.items())
            self._writer.add_text("end", f"| status | {end.status} |\n| --- | --- |\n{rows}")
        self._writer.close()
