"""Deadlines for a call out as a whole.

A socket's own timeout starts anew with every byte, so that a server which drips one byte every few
seconds holds its caller for hours. The sockets here end at one instant, however often they are
read.
"""

import socket
import ssl
from dataclasses import dataclass
from typing import Any

from adapters.reach import Reach
from rekindle.clock import seconds_running


@dataclass(frozen=True)
class Deadline:
    """An instant by which something has to be done."""

    at: float  # on the clock of `seconds_running`
    seconds: float  # how long that was from the start

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(seconds_running() + seconds, seconds)

    def seconds_left(self) -> float:
        """Return what is left, more than 0. Raises TimeoutError once nothing is."""
        left = self.at - seconds_running()
        if left <= 0:
            raise TimeoutError(f"not done within {self.seconds:g} s")
        return left


class _EndsInTime(socket.socket):
    """A socket of which every call ends at `deadline`."""

    deadline: Deadline | None = None

    def recv(self, *arguments: Any) -> bytes:
        self._set_timeout()
        return super().recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self._set_timeout()
        return super().recv_into(*arguments)

    def _set_timeout(self) -> None:
        if self.deadline is not None:
            self.settimeout(self.deadline.seconds_left())


class DeadlineSocket(_EndsInTime):
    """One that is not encrypted: the timeout of its `sendall` is one for the whole."""

    def sendall(self, *arguments: Any) -> None:
        self._set_timeout()
        return super().sendall(*arguments)


class DeadlineTlsSocket(_EndsInTime, ssl.SSLSocket):
    """One that is encrypted: its `sendall` is a loop of `send`."""

    def send(self, *arguments: Any) -> int:
        self._set_timeout()
        return super().send(*arguments)


def connect(host: str, port: int, deadline: Deadline, reach: Reach | None = None) -> DeadlineSocket:
    """Try each address of `host` until `deadline`, but none out of `reach`. Raises OSError
    (TimeoutError and NotAllowed are such).

    Finding the addresses is left to the resolver, which has a time limit of its own.
    """
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _name, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        connection = DeadlineSocket(family, kind, protocol)
        try:
            if reach is not None:  # the very address: a name may lead elsewhere the next time
                reach.check(host, str(address[0]), port)
            connection.settimeout(deadline.seconds_left())
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            failure = error
        else:
            connection.deadline = deadline
            return connection
    raise failure


def encrypt(
    connection: DeadlineSocket, context: ssl.SSLContext, host: str, deadline: Deadline
) -> DeadlineTlsSocket:
    """Shake hands over `connection`, which is used up by it. Raises OSError (SSLError is one)."""
    context.sslsocket_class = DeadlineTlsSocket
    connection.settimeout(deadline.seconds_left())  # one handshake is one call: it holds for all
    encrypted = context.wrap_socket(connection, server_hostname=host)
    assert isinstance(encrypted, DeadlineTlsSocket)
    encrypted.deadline = deadline
    return encrypted
