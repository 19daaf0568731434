"""How this process is set up: the only reader of the environment."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bursar.instrumentation.context import sound
from bursar.instrumentation.tls import trusting
from bursar.policies.agentaddress import AddressError, AgentAddress, read_agent_address
from bursar.policies.dialects import DIALECTS

Unreachable = Literal["open", "closed"]

_FAMILIES = {
    "off": frozenset[str](),
    "cost": frozenset({"cost"}),
    "new": frozenset({"cost", "new"}),
    "old": frozenset({"cost", "old"}),
    "both": frozenset({"cost", "new", "old"}),
    "operation": frozenset({"cost", "operation"}),
}
"""What each word of BURSAR_METRICS stands for; our own metrics of cost are in all but `off`."""


class ConfigError(ValueError):
    """A variable that cannot work; the text says which, why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Config:
    """Values only, read once when `instrument()` is called."""

    state_dir: Path
    agent: AgentAddress | None = None
    """None means no agent."""
    token_file: Path | None = None
    ca_file: Path | None = None
    """Holds the certificates that the agent's is checked against over TLS; None: the system's authorities."""
    prices_file: Path | None = None
    route: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    run: str | None = None
    """The run that this process is part of; None: each trace is one."""
    service: str = ""
    on_unreachable: Unreachable = "open"
    """What happens without an agent and without any snapshot of its rules."""
    enforce: bool = True
    disabled: bool = False
    exports: bool = False
    """Whether OpenTelemetry's own variables name an endpoint for traces."""
    metrics: frozenset[str] = _FAMILIES["new"]
    """Families of metrics: `cost`, `new`, `old`, `operation`; none is off. docs/telemetry.md tells them apart."""
    metric_labels: tuple[str, ...] = ()
    """Labels that metrics of cost are told by."""
    dialects: tuple[str, ...] = ()
    """Backends that spans carry more attributes for."""


def read_config(environ: Mapping[str, str]) -> Config:
    """
    The configuration from environment variables; one that is set to nothing counts as not set.

    Raises `ConfigError` for one that cannot work, unless all of it is disabled anyway.
    """
    state_dir = Path(environ.get("BURSAR_STATE_DIR") or _state_folder(environ))
    if _switch("BURSAR_DISABLED", environ.get("BURSAR_DISABLED") or "0"):
        return Config(state_dir, disabled=True)
    agent = _address(environ.get("BURSAR_AGENT"))
    return Config(
        state_dir=state_dir,
        agent=agent,
        token_file=_path(environ.get("BURSAR_TOKEN_FILE")),
        ca_file=_ca_file(_path(environ.get("BURSAR_CA_FILE")), agent),
        prices_file=_path(environ.get("BURSAR_PRICES")),
        route=sound(environ.get("BURSAR_ROUTE", "")) or None,
        labels=read_labels(sound(environ.get("BURSAR_LABELS", ""))),
        run=sound(environ.get("BURSAR_RUN", "")) or None,
        service=sound(environ.get("OTEL_SERVICE_NAME", "")),
        on_unreachable=_unreachable(environ.get("BURSAR_ON_UNREACHABLE") or "open", environ.get("BURSAR_AGENT")),
        enforce=_switch("BURSAR_ENFORCE", environ.get("BURSAR_ENFORCE") or "1"),
        exports=bool(environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")),
        metrics=read_metrics(environ.get("BURSAR_METRICS") or "new"),
        metric_labels=_words(sound(environ.get("BURSAR_METRIC_LABELS", ""))),
        dialects=read_dialects(_words(environ.get("BURSAR_DIALECTS", ""))),
    )


def read_labels(text: str) -> dict[str, str]:
    """`k=v,k=v` as a mapping. Raises `ConfigError`."""
    labels: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, separator, value = pair.partition("=")
        if not separator or not name.strip():
            raise ConfigError(f"BURSAR_LABELS: {pair!r} is not a label. Write it as name=value, with commas between.")
        labels[name.strip()] = value.strip()
    return labels


def read_metrics(text: str) -> frozenset[str]:
    """Families of metrics from words with commas between. Raises `ConfigError`."""
    words = _words(text)
    for word in words:
        if word not in _FAMILIES:
            raise ConfigError(f"BURSAR_METRICS: {word!r} is not a choice. Write one or more of {', '.join(_FAMILIES)}.")
    if "off" in words and len(words) > 1:
        raise ConfigError(f"BURSAR_METRICS: {text!r} is off and on at once. Write off alone, or leave it out.")
    return frozenset[str]().union(*(_FAMILIES[word] for word in words))


def read_dialects(names: Iterable[str]) -> tuple[str, ...]:
    """Names of dialects, each of them one that is known. Raises `ConfigError`."""
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        if name not in DIALECTS:
            raise ConfigError(f"dialects (BURSAR_DIALECTS): {name!r} is not known. Known are {', '.join(DIALECTS)}.")
    return chosen


def _words(text: str) -> tuple[str, ...]:
    """What stands between commas, each once."""
    return tuple(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def _address(text: str | None) -> AgentAddress | None:
    try:
        return read_agent_address(text) if text else None
    except AddressError as error:
        raise ConfigError(f"BURSAR_AGENT: {error}") from error


def _ca_file(path: Path | None, agent: AgentAddress | None) -> Path | None:
    """Tried at once where it will be needed: an agent that can never be trusted is a mistake, not an outage."""
    if path is None or agent is None or agent.scheme != "https":
        return path
    try:
        trusting(path)
    except OSError as error:  # of TLS as well
        raise ConfigError(
            f"BURSAR_CA_FILE: {path} cannot be read as certificates ({error.strerror or error}). Name a file in PEM "
            "that holds the CA of the agent's certificate."
        ) from error
    return path


def _unreachable(text: str, agent: str | None) -> Unreachable:
    choices: dict[str, Unreachable] = {"open": "open", "closed": "closed"}
    if text not in choices:
        raise ConfigError(f"BURSAR_ON_UNREACHABLE: {text!r} is not a choice. Write open or closed.")
    if text == "closed" and not agent:
        raise ConfigError(
            "BURSAR_ON_UNREACHABLE: closed needs BURSAR_AGENT, since without an agent's address no call is ever "
            "refused. Set BURSAR_AGENT as well (http://127.0.0.1:4319), or write open."
        )
    return choices[text]


def _switch(name: str, text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ConfigError(f"{name}: {text!r} is neither on nor off. Write 1 or 0.")


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _state_folder(environ: Mapping[str, str]) -> Path:
    """The platform's state folder. The same rule as the agent's, so that it finds the journals left here."""
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "bursar"
    return Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "bursar"
