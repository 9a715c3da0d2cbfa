"""A process that is given less memory than it would take, for real."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.trainer.running import events, outcome, run_file, tiny_base

ROOT = Path(__file__).parents[2]

LIMITED = """
import re, resource, sys
from pathlib import Path
from tunesmith_trainer.__main__ import main
from tunesmith_trainer.loop import TrainingLoop

train = TrainingLoop.run

def limited(self, request):
    used = re.search(r"VmData:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    most = int(used[1]) * 1024 + int(sys.argv[2]) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    return train(self, request)

TrainingLoop.run = limited
sys.exit(main(sys.argv[1:2]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts mappings as data")
def test_with_too_little_memory_for_a_batch_it_trains_in_smaller_ones(tmp_path):
    base = tiny_base(tmp_path / "base")
    rows = [{"prompt": "so " * 120 + f"{n} ->", "completion": " positive"} for n in range(16)]
    tried = []
    # How much a batch takes depends on the build of torch: more room each time, until it is enough.
    for megabytes in (16, 24, 36, 54, 81, 121):
        run_json = run_file(
            tmp_path / f"run-{megabytes}",
            base,
            rows,
            lora={"layers": None},
            hyperparameters={"n_epochs": 2, "batch_size": 8},
        )
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(run_json), str(megabytes)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "service"), "MALLOC_ARENA_MAX": "1"},
            capture_output=True,
            timeout=100,
            check=False,
        )
        texts = [each.get("text", "") for each in events(run_json.parent)]
        tried.append((megabytes, done.returncode, sum("Memory ran out" in text for text in texts)))
        if done.returncode != 11:
            break
        assert outcome(run_json.parent)["reason"] == "OUT_OF_MEMORY"
    _, code, lowered = tried[-1]
    assert code == 0, tried
    assert lowered, tried
