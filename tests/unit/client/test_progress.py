"""Bars of files that are read."""

import json
import threading
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tunesmith.cli import _progress
from tunesmith.cli._session import Session
from tunesmith.dataset_rules.fixes import pieces, propose, write


class Drawn(Session):
    """A session whose progress is drawn into a text."""

    def __init__(self, *, on_terminal: bool = True) -> None:
        super().__init__()
        self.text = StringIO()
        self._drawing = Console(file=self.text, force_terminal=on_terminal, width=120)

    @property
    def progress(self) -> Console:
        return self._drawing


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    rows = ({"prompt": f"number {n}", "completion": f"It is {n}."} for n in range(400))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_preparing_tells_how_far_each_reading_of_the_file_is(
    file: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pieces, "PIECE", 1000)
    if name == "rows.csv":
        file = file.with_name(name)
        file.write_text("prompt,completion\n" + "".join(f"n {n},x{n}\n" for n in range(999)))
    told: list[int] = []
    plan = propose(file, cores=1, on_progress=told.append)
    size = file.stat().st_size
    assert (told[-1], max(told), len(told) > 5) == (size, size, True)
    told.clear()
    write(plan, [str(file.with_name("out"))], cores=1, on_progress=told.append)
    assert told == sorted(told)
    assert (told[-1], len(told) > 5) == (size, True)


def test_a_bar_of_a_file_that_is_read_again_begins_again_and_takes_no_thread():
    session, before = Drawn(), threading.active_count()
    with _progress.rereading(session, "looking at [x]", 10_000_000) as on_progress:
        during = threading.active_count()
        for done in (4_000_000, 10_000_000, 1_000_000, 10_000_000):
            on_progress(done)
    assert during == before  # beside another no work is shared among cores
    shown = session.text.getvalue()
    assert "looking at [x]" in shown
    assert "10.0/10.0 MB" in shown
    assert "looking at [x], the 2nd time" in shown


@pytest.mark.parametrize(("size", "on_terminal"), [(1000, True), (10_000_000, False)])
def test_nothing_is_drawn_of_a_small_file_and_in_a_pipe(size: int, on_terminal: bool):
    session = Drawn(on_terminal=on_terminal)
    with _progress.rereading(session, "looking", size) as on_progress:
        on_progress(size)
    assert session.text.getvalue() == ""
