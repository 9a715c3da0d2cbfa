"""A server in the place of Weights & Biases or MLflow that does not do what is hoped for."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Unhelpful:
    """`answers`: it refuses everything; else it takes requests and never answers."""

    answers: bool = True
    url: str = ""
    credentials: set[str] = field(default_factory=set)
    """What was shown to it in the header Authorization."""


@contextlib.contextmanager
def unhelpful(*, answers: bool) -> Iterator[Unhelpful]:
    """Such a server, on a port of its own."""
    found, over = Unhelpful(answers), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            if shown := self.headers.get("authorization"):
                found.credentials.add(shown)
            if not answers:
                over.wait()
            with contextlib.suppress(OSError):
                self.send_response(401)
                self.send_header("content-length", "0")
                self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
