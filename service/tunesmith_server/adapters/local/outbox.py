"""The trainer's outbox: `events.jsonl`, read from where the last reader stopped."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tunesmith_server.domain.observation import Report

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Mark:
    """The byte after the line that has this sequence."""

    sequence: int
    offset: int


class Outboxes:
    """Reads outboxes piece by piece. What it remembers saves time and nothing else."""

    def __init__(self) -> None:
        self._marks: dict[Path, _Mark] = {}

    def read(self, path: Path, after: int, limit: int) -> list[Report]:
        """At most `limit` reports after the sequence `after`, in order."""
        mark = self._marks.get(path, _Mark(0, 0))
        offset = mark.offset if mark.sequence <= after else 0
        reports: list[Report] = []
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return reports
        with file:
            if offset > file.seek(0, 2):
                offset = 0
            file.seek(offset)
            for line in file:
                if len(reports) >= limit or not line.endswith(b"\n"):
                    break  # a line without its end is still being written
                offset += len(line)
                report = _report(line)
                if report is None:
                    log.warning("trainer_report_unreadable file=%s offset=%d", path, offset)
                    continue
                if report.sequence > after:
                    reports.append(report)
                    after = report.sequence
                self._marks[path] = _Mark(report.sequence, offset)
        return reports

    def forget(self, folder: Path) -> None:
        """Drop what is remembered of the outboxes below a folder."""
        for path in [path for path in self._marks if path.is_relative_to(folder)]:
            del self._marks[path]


def _report(line: bytes) -> Report | None:
    try:
        fields = json.loads(line)
        return Report(
            sequence=int(fields.pop("sequence")),
            time=datetime.fromisoformat(fields.pop("time")),
            kind=str(fields.pop("kind")),
            data=fields,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
