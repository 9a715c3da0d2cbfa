"""As much of Weights & Biases as its library needs for a run, and for going on with one."""

import contextlib
import gzip
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_OPERATION = re.compile(r"(?:query|mutation)\s+(\w+)")


@dataclass
class RunThere:
    """A run as the server has it."""

    project: str
    name: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@dataclass
class WandbServer:
    """`runs` by their ids."""

    url: str = ""
    runs: dict[str, RunThere] = field(default_factory=dict)

    def answer(self, operation: str, values: dict[str, Any]) -> dict[str, Any]:
        """Of a query or mutation."""
        project = {"id": "P", "name": values.get("project") or "", "entity": _ENTITY}
        match operation:
            case "RunResumeStatus":
                known = self.runs.get(values["name"])
                bucket = known and _bucket(values["name"], known)
                return {"model": {**project, "bucket": bucket}}
            case "UpsertBucket":
                run = self.runs.setdefault(values["name"], RunThere(values["project"]))
                run.name = values["displayName"] or run.name
                run.tags = values["tags"] or run.tags
                run.config |= json.loads(values["config"] or "{}")
                run.hosts |= {values["host"]} - {None}
                shown = _bucket(values["name"], run)
                return {"upsertBucket": {"bucket": shown | {"project": project}, "inserted": True}}
            case "CreateRunFiles":
                files = [{"name": name, "uploadUrl": self.url} for name in values["files"]]
                return {"createRunFiles": {"runID": "B", "uploadHeaders": [], "files": files}}
        return {}

    def stream(self, run: RunThere, sent: dict[str, Any]) -> None:
        """Take in a piece of the stream of a run."""
        for name, piece in (sent.get("files") or {}).items():
            lines = [json.loads(line) for line in piece["content"]] if "json" in name else []
            if name == "wandb-history.jsonl":
                run.history[piece["offset"] :] = lines
            elif name == "wandb-summary.json":
                run.summary = lines[-1]
        if sent.get("exitcode") is not None:
            run.exit_codes.append(sent["exitcode"])


_ENTITY = {"id": "E", "name": "team"}


def _bucket(id: str, run: RunThere) -> dict[str, Any]:
    return {
        "id": "B",
        "name": id,
        "displayName": run.name,
        "description": "",
        "sweepName": None,
        "notes": None,
        "tags": run.tags,
        "config": json.dumps(run.config),
        "wandbConfig": json.dumps({"t": 1}),
        "summaryMetrics": json.dumps(run.summary),
        "historyLineCount": len(run.history),
        "eventsLineCount": 0,
        "logLineCount": 0,
        "historyTail": json.dumps([json.dumps(line) for line in run.history[-1:]]),
        "eventsTail": "[]",
    }


@contextlib.contextmanager
def serving_wandb() -> Iterator[WandbServer]:
    """The server, on a port of its own."""
    there = WandbServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            answer: dict[str, Any] = {}
            if self.path == "/graphql":
                asked = json.loads(body)
                found = _OPERATION.search(asked["query"])
                assert found
                answer = {"data": there.answer(found[1], asked["variables"])}
            elif self.path.endswith("/file_stream"):
                there.stream(there.runs[self.path.split("/")[-2]], json.loads(body))
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
