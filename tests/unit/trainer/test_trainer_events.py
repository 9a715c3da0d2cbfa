import errno
import json
import os

import pytest
from tunesmith_trainer.events import EventLog


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_sequences_are_dense_from_one_across_openings(tmp_path):
    path = tmp_path / "events.jsonl"
    for _ in range(3):
        log = EventLog(path)
        log.message("hello")
        log.append("epoch", epoch=1, epochs=4)
        log.close()

    assert [event["sequence"] for event in read(path)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kept", [0, 1, 10, -1])
def test_a_line_cut_short_by_a_crash_is_removed_and_its_sequence_used_again(tmp_path, kept):
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.message("whole")
    whole = path.stat().st_size
    log.message("torn")
    log.close()
    line = path.read_bytes()[whole:]
    os.truncate(path, whole + len(line[:kept]))

    log = EventLog(path)
    assert log.sequence == 1
    log.message("again")
    assert [(e["sequence"], e["text"]) for e in read(path)] == [(1, "whole"), (2, "again")]


def test_what_was_told_before_a_crash_is_not_told_again(tmp_path):
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.once("metrics", 1, step=1, epoch=1, values={})
    log.once("epoch", 1, epoch=1, epochs=2)
    log.close()

    log = EventLog(path)
    log.once("metrics", 1, step=1, epoch=1, values={})
    log.once("epoch", 1, epoch=1, epochs=2)
    log.once("metrics", 2, step=2, epoch=1, values={})
    assert [event["kind"] for event in read(path)] == ["metrics", "epoch", "metrics"]


def test_a_time_is_utc_in_rfc_3339(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.message("hello")
    assert read(tmp_path / "events.jsonl")[0]["time"].endswith("Z")


def test_a_full_disk_leaves_no_torn_line(tmp_path, monkeypatch):
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.message("before")
    write = os.write

    def half_then_full(descriptor, content):
        if len(content) > 20:
            return write(descriptor, content[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    with pytest.raises(OSError, match="No space"):
        log.message("does not fit, not by far, not this one")
    monkeypatch.setattr(os, "write", write)
    log.message("after")
    assert [(e["sequence"], e["text"]) for e in read(path)] == [(1, "before"), (2, "after")]
