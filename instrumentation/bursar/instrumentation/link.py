"""How the agent is spoken to: the standard library's HTTP client, past proxies and tracing, within a deadline."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

FIRST_SIGN_SECONDS = 0.05
"""What a hung agent costs a call at most, once it is known to be silent."""
BUSY_SECONDS = 0.5
"""What an agent that answered a moment ago is given: a busy machine is no reason to give a budget up."""
RECENT_SECONDS = 5.0
BREAKER_SECONDS = 1.0
"""How long after a failure calls do not even try."""


Dialled = Callable[[float], http.client.HTTPConnection]
"""Makes a connection, yet to be opened, whose waits take so many seconds at most. May raise `OSError`."""

_CLOSED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)
"""How it shows that the other side has closed a connection."""

_inherited: list[http.client.HTTPConnection] = []
"""Connections of the processes that this one was forked from, kept for ever."""


class Unreachable(Exception):  # noqa: N818 - reads as what it is where it is caught
    """The agent gave no sign in time, refused the connection, or answered nonsense. Never leaves the guard."""


class Misunderstood(Unreachable):
    """The agent is there, and could not make sense of the message: something in it is damaged."""


class AgentLink:
    """One connection to one agent, kept open between exchanges. Not thread-safe: its user serialises."""

    def __init__(self, dial: Dialled, token_file: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._dial = dial
        self._token_file = token_file
        self._clock = clock
        self._connection: http.client.HTTPConnection | None = None
        self._heard_at = clock()  # a new link is given the benefit of the doubt
        self._broken_until = float("-inf")
        self._hung_up = False
        """Whether the exchange under way was broken off by this process."""

    @property
    def broken(self) -> bool:
        """Whether the breaker is open: the agent failed a moment ago."""
        return self._clock() < self._broken_until

    def post(self, path: str, body: bytes, *, patient: bool = False, seconds: float | None = None) -> Any:
        """
        Exchange one JSON message. `patient`: off the caller's path, where two seconds hurt nobody; or `seconds` given.

        Raises `Unreachable`.
        """
        self._hung_up = False
        try:
            answer = self._exchange(path, body, seconds or self._timeout(patient=patient))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            self._heard_at = float("-inf")
            self._broken_until = self._clock() + BREAKER_SECONDS
            kind = Misunderstood if isinstance(error, _BadRequestError) else Unreachable
            raise kind(f"{type(error).__name__.strip('_')}: {error}") from error
        self.mend()
        return answer

    def mend(self) -> None:
        """The agent was heard of, on this link or another: close the breaker."""
        self._heard_at = self._clock()
        self._broken_until = float("-inf")

    def close(self) -> None:
        """Drop the connection; the next exchange opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def hang_up(self) -> None:
        """Break the connection off under whoever reads from it in another thread, who then finds it closed."""
        self._hung_up = True
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):  # it is gone already
                _socket(connection).shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """
        Forget an inherited connection after a fork without saying anything on it.

        A thread that is not here may have been reading an answer: closing or dropping the reader would wait for it.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            _inherited.append(connection)
            if connection.sock is not None:
                os.close(_socket(connection).detach())

    def _timeout(self, *, patient: bool) -> float:
        if patient:
            return 2.0
        recent = self._clock() - self._heard_at < RECENT_SECONDS
        return BUSY_SECONDS if recent else FIRST_SIGN_SECONDS

    def _exchange(self, path: str, body: bytes, timeout: float) -> Any:
        reused = self._connection is not None
        connection = self._connection = self._connection or self._dial(timeout)
        try:
            return self._send(connection, path, body, timeout)
        except _CLOSED:
            if not reused or self._hung_up:
                raise
        # A connection kept open is closed by an agent that restarted: once more, on a new one.
        self.close()
        return self._exchange(path, body, timeout)

    def _send(self, connection: http.client.HTTPConnection, path: str, body: bytes, timeout: float) -> Any:
        connection.timeout = timeout
        if connection.sock is None:
            connection.connect()
        _socket(connection).settimeout(timeout)
        headers = {"content-type": "application/json"}
        if self._token_file is not None:
            headers["authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        data = response.read()
        if response.status != 200:
            kind = _BadRequestError if response.status == 400 else ValueError
            raise kind(f"the agent answered {response.status}: {data[:200].decode(errors='replace').strip()}")
        return json.loads(data)


class _BadRequestError(ValueError):
    """Status 400."""


def _socket(connection: http.client.HTTPConnection) -> socket.socket:
    return cast(socket.socket, connection.sock)  # typeshed knows it as never there
