"""Is there an agent at this address, and what does it say of itself?"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from bursar.agent.commands.connection import connection, went_wrong
from bursar.policies import protocol
from bursar.policies.agentaddress import AddressError

SECONDS = 1.0
ORDER_SECONDS = 5.0
_TURNED_AWAY = (http.client.UNAUTHORIZED, http.client.FORBIDDEN)


class UnreachableError(Exception):
    """Nothing that speaks HTTP answered in time; the text says how it failed."""


class RefusedError(Exception):
    """The agent will not do what it was asked to; the text is its own."""


class TurnedAwayError(Exception):
    """The agent answers and takes nothing from us; the text says why and what to do."""


def ask(
    url: str, path: str, *, token: str | None = None, ca_file: Path | None = None, seconds: float = SECONDS
) -> tuple[int, str]:
    """Status and text of a GET, past any proxy. Raises `UnreachableError`."""
    status, text, _ = _got(url, path, token, ca_file, seconds)
    return status, text


def clock_of(url: str, *, ca_file: Path | None = None) -> datetime | None:
    """What time it is by the clock of who answers there, to the second; None where nobody does, or it is not told."""
    try:
        _, _, date = _got(url, "/healthz", None, ca_file, SECONDS)
        return None if date is None else parsedate_to_datetime(date)
    except (UnreachableError, ValueError):
        return None


def _got(url: str, path: str, token: str | None, ca_file: Path | None, seconds: float) -> tuple[int, str, str | None]:
    """Status, text and date of a GET."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        with closing(connection(url, ca_file, seconds)) as opened:
            opened.request("GET", path, headers=headers)
            response = opened.getresponse()
            return response.status, response.read(1000).decode(errors="replace"), response.getheader("date")
    except AddressError as error:
        raise UnreachableError(f"BURSAR_AGENT: {error}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UnreachableError(f"{url} does not answer ({went_wrong(error)})") from error


def order(
    url: str,
    path: str,
    body: Mapping[str, object],
    *,
    token_file: Path | None,
    ca_file: Path | None = None,
    seconds: float = ORDER_SECONDS,
) -> Any:
    """
    Have a running agent do something; what it answers, as JSON.

    Raises `UnreachableError` where there is none, `TurnedAwayError` where it takes nothing from us, and `RefusedError`
    where it will not do this.
    """
    headers = {"content-type": "application/json"}
    if (token := _token(token_file)) is not None:
        headers["authorization"] = f"Bearer {token}"
    try:
        with closing(connection(url, ca_file, seconds)) as opened:
            opened.request("POST", path, body=json.dumps(body), headers=headers)
            response = opened.getresponse()
            said = response.read().decode(errors="replace")
    except AddressError as error:
        raise UnreachableError(f"BURSAR_AGENT: {error}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UnreachableError(
            f"no agent answers at {url} ({went_wrong(error)}): start `bursar agent`, or set BURSAR_AGENT"
        ) from error
    if response.status in _TURNED_AWAY:
        raise TurnedAwayError(f"the agent at {url} answers {response.status} ({said.strip()}): set BURSAR_TOKEN_FILE")
    if not http.client.OK <= response.status < http.client.MULTIPLE_CHOICES:
        raise RefusedError(said.strip())
    return json.loads(said)


def answers(url: str, path: str = "/healthz", *, ca_file: Path | None = None) -> bool:
    """Whether an agent there says that it is well."""
    try:
        return ask(url, path, ca_file=ca_file)[0] == http.client.OK
    except UnreachableError:
        return False


def check_welcome(url: str, token_file: Path | None, *, ca_file: Path | None = None) -> None:
    """
    See that the agent takes messages from who shows this token: /healthz lets everybody in, the guards' path does not.

    A GET there changes nothing, whatever is answered. Raises `TurnedAwayError` and `UnreachableError`.
    """
    status, said = ask(url, protocol.PATH, token=_token(token_file), ca_file=ca_file)
    if status in _TURNED_AWAY:
        shown = "no token was shown" if token_file is None else f"the token in {token_file} is not the agent's"
        raise TurnedAwayError(
            f"the agent at {url} answers {status} ({said.strip()}): {shown}; "
            "set BURSAR_TOKEN_FILE to the file that the agent was started with, or unset BURSAR_AGENT"
        )


def _token(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TurnedAwayError(f"the token file {path} cannot be read ({error}): check BURSAR_TOKEN_FILE") from error
