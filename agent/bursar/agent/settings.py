"""How is the agent set up: where are its files, and where does it listen?"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

HOST = "127.0.0.1"
PORT = 4319

_ADDRESS = re.compile(r"(?:\[(?P<ip6>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_LAST_PORT = 65535


class SettingsError(ValueError):
    """A setting that cannot work; the text says which, why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Values only, read once at the edge. Raises `SettingsError` for values that cannot work together."""

    state_dir: Path
    db: Path
    host: str = HOST
    port: int = PORT
    """0 takes any free one."""
    token_file: Path | None = None
    """Holds the token that every client must show; needed wherever others than this machine can connect."""
    policy: Path | None = None
    prices: Path | None = None
    """The user's own price file, on top of the shipped one."""
    deferrals_key_file: Path | None = None
    """Holds the keys under which the requests and answers of what is put off are kept; None: as they are."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The environment, in which channels find the addresses that a policy file only names, and batches their keys."""

    def __post_init__(self) -> None:
        if not self.local and self.token_file is None:
            raise SettingsError(
                f"--listen {address(self.host, self.port)}: others than this machine could connect and there is no "
                "token file. Write a secret into a file and name it in BURSAR_TOKEN_FILE, here and for the "
                f"applications, or listen on {HOST}."
            )

    @property
    def journals(self) -> Path:
        """The folder in which applications leave their journals."""
        return self.state_dir / "journal"

    @property
    def local(self) -> bool:
        """Whether only this machine can connect."""
        return _loopback(self.host)


def read_settings(
    environ: Mapping[str, str],
    *,
    db: Path | None = None,
    listen: str | None = None,
    token_file: Path | None = None,
    policy: Path | None = None,
    prices: Path | None = None,
) -> Settings:
    """The settings from flags, which win, and environment variables. Raises `SettingsError`."""
    state_dir = Path(environ.get("BURSAR_STATE_DIR") or _state_folder(environ))
    host, port = _listen(listen) if listen is not None else (HOST, PORT)
    return Settings(
        state_dir=state_dir,
        db=db or _path(environ, "BURSAR_DB") or state_dir / "bursar.sqlite",
        host=host,
        port=port,
        token_file=token_file or _path(environ, "BURSAR_TOKEN_FILE"),
        policy=policy,
        prices=prices or _path(environ, "BURSAR_PRICES"),
        deferrals_key_file=_path(environ, "BURSAR_DEFERRALS_KEY_FILE"),
        secrets=dict(environ),
    )


def address(host: str, port: int) -> str:
    """`127.0.0.1:4319`, or `[::1]:4319`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[HOST]:PORT`, or one of them alone."""
    found = _ADDRESS.fullmatch(f"{HOST}:{text}" if text.isdigit() else text)
    if found is None or int(found["port"] or PORT) > _LAST_PORT:
        raise SettingsError(f"--listen {text!r} is no address to listen on. Write it as {HOST}:{PORT}.")
    return found["ip6"] or found["host"], int(found["port"] or PORT)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    return Path(text) if text else None


def _state_folder(environ: Mapping[str, str]) -> Path:
    """The platform's state folder. The same rule as the applications', so that their journals are found."""
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "bursar"
    return Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "bursar"
