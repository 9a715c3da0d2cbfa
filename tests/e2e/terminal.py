"""A terminal: a program in it sees a real one, and the test sees its screen."""

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress

import pyte

# makes the terminal its own, as a shell would: else Ctrl-C in it would reach nobody
_OWNING = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
_RUN = _OWNING + "os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """One program in a terminal of `columns` by `lines`; use it as an asynchronous context."""

    def __init__(
        self, *command: str, columns: int, lines: int = 24, environment: dict[str, str]
    ) -> None:
        self._command = command
        self._environment = {
            **os.environ,
            **environment,
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }
        for name in ("COLUMNS", "LINES", "NO_COLOR", "CI"):
            self._environment.pop(name, None)
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._size = struct.pack("HHHH", lines, columns, 0, 0)
        self._changed = asyncio.Event()

    async def __aenter__(self) -> "Terminal":
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, self._size)
        self._process = subprocess.Popen(  # noqa: ASYNC220  # returns at once
            [sys.executable, "-c", _RUN, *self._command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self._environment,
            start_new_session=True,
        )
        os.close(slave)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def screen(self) -> list[str]:
        """What is on the screen: the lines that are not empty."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    async def shows(self, condition: Callable[[list[str]], bool], seconds: float = 60) -> list[str]:
        """The screen, once it is as wanted; AssertionError with the last one if it never is."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(self.screen):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError("not on the screen:\n" + "\n".join(self.screen)) from None
        return self.screen

    def press_ctrl_c(self) -> None:
        """As at a keyboard."""
        os.write(self._master, b"\x03")

    def press_ctrl_d(self) -> None:
        """As at a keyboard: one end of input, after which more may come."""
        os.write(self._master, b"\x04")

    def type(self, words: str) -> None:
        """As at a keyboard, with the return key."""
        os.write(self._master, f"{words}\n".encode())

    async def exit_code(self) -> int:
        """How the program ended, once it has."""
        return await asyncio.to_thread(self._process.wait)

    def _read(self) -> None:
        with suppress(OSError):  # EIO: the program is gone
            if data := os.read(self._master, 65536):
                self._stream.feed(data)
                self._changed.set()
                return
        asyncio.get_running_loop().remove_reader(self._master)
