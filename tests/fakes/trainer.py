"""A stand-in for the trainer: keeps its contract about files, and does as its script says.

`python trainer.py SCRIPT run.json`, with SCRIPT a list of steps with commas between:

* prepared, metrics=N, checkpoint=STEP: write the events of that name (and the checkpoint);
  checkpoint=STEP:BYTES says how large it is
* trained=TOKENS: write a metrics event with so many trained tokens, which the outcome then has too
* half, rest: write the first half of a line of events.jsonl; write the other half
* wait=NAME: wait for a file NAME in the run directory, and obey stop.json and SIGTERM meanwhile
* unready=NAME: wait for a file NAME as one that does not listen yet: a signal kills it, and it
  has not taken its lock
* deaf: ignore stop.json and SIGTERM from here on
* tell: write pid, session, environment, arguments and standard input into `told.json`
* succeed, succeed-without-model, fail=REASON: write the outcome and end
* crash=CODE: end without an outcome, with a complaint
"""

import fcntl
import hashlib
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

stop_requested = False
deaf = False
WEIGHTS = b"weights"


class Trainer:
    def __init__(self, run_json: Path) -> None:
        self.folder = run_json.parent
        self.spec = json.loads(run_json.read_text())
        lock = (self.folder / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(3)
        self.lock = lock
        if (self.folder / "outcome.json").exists():
            sys.exit(0)
        self.events = (self.folder / "events.jsonl").open("ab", buffering=0)
        self.sequence = 0
        self.half = b""
        self.trained = 1234

    def do(self, step: str) -> None:
        verb, _, value = step.partition("=")
        match verb:
            case "prepared":
                resumed = self.spec["resume_from"]
                checkpoints = Path(resumed, "checkpoints").glob("step-*") if resumed else ()
                start = max((int(path.name[5:]) for path in checkpoints), default=0)
                self.append("prepared", total_steps=10, start_step=start)
            case "metrics":
                for number in range(1, int(value) + 1):
                    self.append("metrics", step=number, values={"training_loss": 1 / number})
            case "checkpoint":
                step, _, size = value.partition(":")
                folder = self.folder / "checkpoints" / f"step-{int(step):06d}"
                folder.mkdir(parents=True)
                files = {
                    "adapter_config.json": b"{}",
                    "adapter_model.safetensors": f"of step {step}".encode(),
                    "optimizer.safetensors": b"moments",
                }
                for name, content in files.items():
                    (folder / name).write_bytes(content)
                hashes = {n: hashlib.sha256(content).hexdigest() for n, content in files.items()}
                (folder / "manifest.json").write_text(json.dumps({"files": hashes}))
                self.append("checkpoint", step=int(step), size_bytes=int(size or 0))
            case "trained":
                self.trained = int(value)
                values = {"training_loss": 1.0, "elapsed_tokens": self.trained}
                self.append("metrics", step=1, values=values)
            case "half":
                line = self.line("metrics", step=99, values={"training_loss": 0.5, "text": "é"})
                self.events.write(line[:40])
                self.half = line[40:]
            case "rest":
                self.events.write(self.half)
            case "wait":
                self.wait(self.folder / value)
            case "deaf":
                global deaf
                deaf = True
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                (self.folder / "deaf").touch()
            case "tell":
                self.tell()
            case "succeed":
                self.succeed()
            case "succeed-without-model":
                self.end("succeeded", None, 0, model=described())
            case "fail":
                self.end("failed", value, 10)
            case "crash":
                print("Traceback: something went wrong", file=sys.stderr)
                sys.exit(int(value))
            case _:
                raise ValueError(step)

    def wait(self, file: Path) -> None:
        while not file.exists():
            match None if deaf else self.stop_mode():
                case "cancel":
                    self.end("stopped", "STOPPED", 20)
                case "finish":
                    self.succeed(stopped_at="FINISH_REQUESTED")
                case "pause":
                    self.do("checkpoint=7")
                    self.end("stopped", "STOPPED", 20)
            time.sleep(0.005)

    def stop_mode(self) -> str | None:
        try:
            return str(json.loads((self.folder / "stop.json").read_text())["mode"])
        except FileNotFoundError:
            return "pause" if stop_requested else None

    def succeed(self, **fields: Any) -> None:
        (self.folder / "model").mkdir()
        (self.folder / "model" / "adapter.safetensors").write_bytes(WEIGHTS)
        self.end("succeeded", None, 0, model=described(), **fields)

    def append(self, kind: str, **fields: Any) -> None:
        self.events.write(self.line(kind, **fields))

    def line(self, kind: str, **fields: Any) -> bytes:
        self.sequence += 1
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        event = {"sequence": self.sequence, "time": now, "kind": kind, **fields}
        return json.dumps(event, ensure_ascii=False).encode() + b"\n"

    def tell(self) -> None:
        told = {
            "pid": os.getpid(),
            "session": os.getsid(0),
            "environment": dict(os.environ),
            "arguments": sys.argv,
            "input": sys.stdin.read(),
        }
        self.put("told.json", told)

    def end(self, status: str, reason: str | None, code: int, **fields: Any) -> None:
        self.append("completed", status=status)
        outcome = {
            "format": "tunesmith.outcome/1",
            "status": status,
            "reason": reason,
            "message": f"The run {status}.",
            "advice": None,
            "trained_tokens": self.trained,
            "steps": 10,
            "model": None,
            "metrics": {"training_loss": 0.25},
            "peak_memory_bytes": 1,
            "seconds": 0.1,
            **fields,
        }
        self.put("outcome.json", outcome)
        sys.exit(code)

    def put(self, name: str, value: object) -> None:
        temporary = self.folder / f".{name}"
        temporary.write_text(json.dumps(value))
        temporary.replace(self.folder / name)


def described() -> dict[str, object]:
    line = f"{hashlib.sha256(WEIGHTS).hexdigest()}  adapter.safetensors\n"
    digest = hashlib.sha256(line.encode()).hexdigest()
    return {"path": "model", "digest": f"sha256:{digest}", "size_bytes": len(WEIGHTS)}


def note(_number: int, _frame: object) -> None:
    global stop_requested
    stop_requested = True


if __name__ == "__main__":
    script = sys.argv[1].split(",")
    if script[0].startswith("unready="):
        name = script.pop(0).removeprefix("unready=")
        while not Path(sys.argv[2]).with_name(name).exists():
            time.sleep(0.005)
    signal.signal(signal.SIGTERM, note)
    trainer = Trainer(Path(sys.argv[2]))
    for each in script:
        trainer.do(each)
