"""A TCP proxy in front of PostgreSQL that can cut its connections at a chosen message, or all."""

import contextlib
import socket
import threading
from enum import Enum

from sqlalchemy import make_url


class Cut(Enum):
    """Where a connection breaks when it is about to carry a COMMIT."""

    BEFORE = "before"
    """The server never sees the COMMIT."""
    AFTER = "after"
    """The server has committed, its answer is lost."""


class CuttingProxy:
    """Passes bytes both ways; `cut` counts down on the messages that contain `trigger`."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.cut: Cut | None = None
        self.trigger = b"COMMIT"
        self.cuts = 0
        self._down = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Of the database, through the proxy."""
        port = self._listener.getsockname()[1]
        through = self._target.set(host="127.0.0.1", port=port, query={"sslmode": "disable"})
        return through.render_as_string(hide_password=False)

    def down(self) -> None:
        """Break every connection and carry nothing any more, as if the database were gone."""
        self._down = True
        for client in list(self._open):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        """Carry again what comes."""
        self._down = False

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)  # a close alone does not wake who accepts
        self._listener.close()

    def _server(self) -> socket.socket:
        host = self._target.query.get("host") or self._target.host
        port = self._target.port or 5432
        if isinstance(host, str) and host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection((str(host), port))

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=[client], daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            if self._down:
                client.close()
            else:
                self._carry(client)
        finally:
            self._open.discard(client)

    def _carry(self, client: socket.socket) -> None:
        server = self._server()
        answers = threading.Thread(target=self._answer, args=[client, server], daemon=True)
        answers.start()
        with contextlib.suppress(OSError), client, server:
            while data := client.recv(65536):
                if self.cut and self.trigger in data:
                    cut, self.cut = self.cut, None
                    self.cuts += 1
                    client.shutdown(socket.SHUT_RDWR)
                    if cut is Cut.AFTER:
                        server.sendall(data)
                        server.shutdown(socket.SHUT_WR)  # it ends once it has done what it got
                        answers.join()
                    return
                server.sendall(data)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                # a client that is cut off gets nothing, yet the server is heard to its end
                with contextlib.suppress(OSError):
                    client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
