"""How is the agent set up: where are its files, and where does it listen?"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from bursar.policies.agentaddress import HOST, PORT, UNIX, AddressError, host_and_port, read_socket_path

ANTHROPIC = "https://api.anthropic.com"

_ADDRESS = re.compile(r"(?:\[(?P<ip6>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_LAST_PORT = 65535


class SettingsError(ValueError):
    """A setting that cannot work; the text says which, why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Tcp:
    """A host and a port to listen at; port 0 takes any free one."""

    host: str = HOST
    port: int = PORT

    def __str__(self) -> str:
        """As one writes it behind `--listen`."""
        return host_and_port(self.host, self.port)

    @property
    def local(self) -> bool:
        """Whether only this machine can connect."""
        return _loopback(self.host)


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A socket file of this machine to listen at."""

    path: Path

    def __str__(self) -> str:
        """As one writes it behind `--listen`."""
        return f"{UNIX}{self.path}"

    @property
    def local(self) -> bool:
        """Only this machine can connect, and of its users those that may write to the file."""
        return True


Place = Tcp | UnixSocket


@dataclass(frozen=True, slots=True)
class Tls:
    """The files that prove who the agent is, in PEM: the certificate with those it rests on, and its private key."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ModelsApi:
    """Where Anthropic's Models API is asked, and with what."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Values only, read once at the edge. Raises `SettingsError` for values that cannot work together."""

    state_dir: Path
    db: Path
    listen: tuple[Place, ...] = (Tcp(),)
    """One or more."""
    tls: Tls | None = None
    """What is shown to whoever connects by TCP; a Unix socket needs none."""
    token_file: Path | None = None
    """Holds the token that every client must show; needed wherever others than this machine can connect."""
    policy: Path | None = None
    prices: Path | None = None
    """The user's own price file, on top of the shipped one."""
    deferrals_key_file: Path | None = None
    """Holds the keys under which the requests and answers of what is put off are kept; None: as they are."""
    ca_file: Path | None = None
    """Holds the certificates by which commands know the agent over TLS; None: the system's authorities."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The environment, in which channels find the addresses that a policy file only names, and batches their keys."""
    models_api: ModelsApi | None = None
    """None where the environment has no Anthropic credential: then it is not asked."""

    def __post_init__(self) -> None:
        open_to_others = next((place for place in self.listen if not place.local), None)
        if open_to_others is not None and self.token_file is None:
            raise SettingsError(
                f"--listen {open_to_others}: others than this machine could connect and there is no token file. Write "
                "a secret into a file and name it in BURSAR_TOKEN_FILE, here and for the applications, or listen on "
                f"{HOST}."
            )
        if self.tls is not None and not any(isinstance(place, Tcp) for place in self.listen):
            raise SettingsError(
                "--tls-cert: nothing is listened to that it could be for, since a Unix socket needs no certificate. "
                f"Add --listen {HOST}:{PORT}, or leave it out."
            )

    @property
    def journals(self) -> Path:
        """The folder in which applications leave their journals."""
        return self.state_dir / "journal"

    @property
    def local(self) -> bool:
        """Whether only this machine can connect."""
        return all(place.local for place in self.listen)


def read_settings(
    environ: Mapping[str, str],
    *,
    db: Path | None = None,
    listen: tuple[str, ...] = (),
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    token_file: Path | None = None,
    policy: Path | None = None,
    prices: Path | None = None,
) -> Settings:
    """The settings from flags, which win, and environment variables. Raises `SettingsError`."""
    state_dir = Path(environ.get("BURSAR_STATE_DIR") or _state_folder(environ))
    return Settings(
        state_dir=state_dir,
        db=db or _path(environ, "BURSAR_DB") or state_dir / "bursar.sqlite",
        listen=_places(listen) or (Tcp(),),
        tls=_tls(tls_cert, tls_key),
        token_file=token_file or _path(environ, "BURSAR_TOKEN_FILE"),
        policy=policy,
        prices=prices or _path(environ, "BURSAR_PRICES"),
        deferrals_key_file=_path(environ, "BURSAR_DEFERRALS_KEY_FILE"),
        ca_file=_path(environ, "BURSAR_CA_FILE"),
        secrets=dict(environ),
        models_api=_models_api(environ),
    )


def _models_api(environ: Mapping[str, str]) -> ModelsApi | None:
    """As the SDK reads its own environment: a key, or else a bearer token."""
    key, token = environ.get("ANTHROPIC_API_KEY"), environ.get("ANTHROPIC_AUTH_TOKEN")
    if not key and not token:
        return None
    headers = {"x-api-key": key} if key else {"authorization": f"Bearer {token}"}
    return ModelsApi((environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC).rstrip("/"), headers)


def _tls(cert: Path | None, key: Path | None) -> Tls | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise SettingsError("--tls-cert and --tls-key go together: name the certificate, and the key that it is for.")
    return Tls(cert, key)


def _places(texts: Iterable[str]) -> tuple[Place, ...]:
    """Each place once, in the order in which they are named."""
    return tuple(dict.fromkeys(_place(text) for text in texts))


def _place(text: str) -> Place:
    """`HOST:PORT`, `[HOST]:PORT`, one of them alone, or `unix:PATH`."""
    if text.startswith(UNIX):
        try:
            return UnixSocket(Path(read_socket_path(text)))
        except AddressError as error:
            raise SettingsError(f"--listen: {error}") from error
    found = _ADDRESS.fullmatch(f"{HOST}:{text}" if text.isdigit() else text)
    if found is None or int(found["port"] or PORT) > _LAST_PORT:
        raise SettingsError(
            f"--listen {text!r} is no address to listen on. Write it as {HOST}:{PORT} or {UNIX}/run/bursar/agent.sock."
        )
    return Tcp(found["ip6"] or found["host"], int(found["port"] or PORT))


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
