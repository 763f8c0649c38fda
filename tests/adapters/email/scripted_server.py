"""An SMTP server on loopback that plays a script: its offers, its answers, when it hangs up."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Self, cast

HANG_UP = "HANG UP"
SILENCE = "SILENCE"


@dataclass
class ScriptedServer:
    """`answers` maps a command's first word (or `content`) to replies, used up one by one.

    A reply of HANG_UP closes the connection, SILENCE leaves the client waiting.
    """

    offers: tuple[str, ...] = ("PIPELINING",)
    answers: Mapping[str, list[str]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        conversations = []
        while (connection := self._accepted()) is not None:
            self.connections += 1
            one = threading.Thread(target=self._converse, args=(connection,), daemon=True)
            one.start()
            conversations.append((one, connection))
        for one, connection in conversations:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            one.join()

    def _accepted(self) -> socket.socket | None:
        try:
            return self._listener.accept()[0]
        except OSError:
            return None

    def _converse(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rwb") as stream:
            self._follow_script(cast(BinaryIO, stream))

    def _follow_script(self, stream: BinaryIO) -> None:
        goes_on = self._say(stream, self._next("greeting", "220 here"))
        while goes_on and (line := stream.readline()):
            self.commands.append(line.decode().strip())
            word = line.split()[0].decode().upper()
            answer = self._next(word, self._usual(word))
            goes_on = self._say(stream, answer) and word != "QUIT"
            if word == "DATA" and answer.startswith("354"):
                goes_on = self._say(stream, self._read_content(stream))

    def _read_content(self, stream: BinaryIO) -> str:
        lines = []
        while (line := stream.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.contents.append(b"".join(lines))
        return self._next("content", "250 queued as 7") if line else HANG_UP

    def _usual(self, word: str) -> str:
        if word == "EHLO":
            return "\r\n".join(["250-here", *(f"250-{one}" for one in self.offers), "250 HELP"])
        return {"DATA": "354 go on", "QUIT": "221 bye"}.get(word, "250 fine")

    def _next(self, word: str, usual: str) -> str:
        waiting = self.answers.get(word)
        return waiting.pop(0) if waiting else usual

    def _say(self, stream: BinaryIO, answer: str) -> bool:
        if answer == HANG_UP:
            return False
        if answer == SILENCE:
            self._ended.wait(10)
            return False
        stream.write(answer.encode() + b"\r\n")
        stream.flush()
        return True
