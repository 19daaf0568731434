"""Config: every variable, and what is said of one that cannot work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bursar.instrumentation.config import Config, ConfigError, read_config, read_dialects, read_labels, read_metrics
from bursar.policies.agentaddress import AgentAddress

HOME = {"HOME": "/home/desk"}


def test_nothing_set_is_a_configuration() -> None:
    """No agent, no route, enforcing, and the platform's state folder."""
    folder = "Library/Application Support/bursar" if sys.platform == "darwin" else ".local/state/bursar"
    assert read_config(HOME) == Config(Path("/home/desk") / folder)


def test_every_variable_is_read() -> None:
    """Each into its field."""
    environ = {
        "BURSAR_STATE_DIR": "/var/lib/desk",
        "BURSAR_AGENT": "http://agent:4319/",
        "BURSAR_CA_FILE": "/ca.pem",
        "BURSAR_TOKEN_FILE": "/run/token",
        "BURSAR_PRICES": "/etc/prices.toml",
        "BURSAR_ROUTE": "desk",
        "BURSAR_LABELS": "tenant=acme,env=prod",
        "BURSAR_ON_UNREACHABLE": "closed",
        "BURSAR_ENFORCE": "0",
        "OTEL_SERVICE_NAME": "desk-api",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        "BURSAR_METRICS": "both",
        "BURSAR_METRIC_LABELS": "tenant, team,tenant",
        "BURSAR_DIALECTS": "langfuse",
    }
    assert read_config(environ) == Config(
        state_dir=Path("/var/lib/desk"),
        agent=AgentAddress("http", "agent", 4319),
        ca_file=Path("/ca.pem"),
        token_file=Path("/run/token"),
        prices_file=Path("/etc/prices.toml"),
        route="desk",
        labels={"tenant": "acme", "env": "prod"},
        service="desk-api",
        on_unreachable="closed",
        enforce=False,
        exports=True,
        metrics=frozenset({"cost", "new", "old"}),
        metric_labels=("tenant", "team"),
        dialects=("langfuse",),
    )


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_either_endpoint_of_opentelemetry_exports_traces(name: str) -> None:
    """The general one and that of traces."""
    assert read_config({**HOME, name: "http://collector:4318"}).exports


def test_a_variable_set_to_nothing_is_not_set() -> None:
    """An empty switch must not turn enforcement off."""
    names = ("AGENT", "TOKEN_FILE", "PRICES", "ROUTE", "LABELS", "STATE_DIR", "ON_UNREACHABLE", "ENFORCE", "DISABLED")
    more = ("METRICS", "METRIC_LABELS", "DIALECTS")
    assert read_config({**HOME, **{f"BURSAR_{name}": "" for name in (*names, *more)}}) == read_config(HOME)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has a state folder of its own")
def test_the_state_folder_follows_the_desktop_convention() -> None:
    """Where `XDG_STATE_HOME` says."""
    assert read_config({**HOME, "XDG_STATE_HOME": "/state"}).state_dir == Path("/state/bursar")


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("1", True),
        ("true", True),
        ("YES", True),
        ("on", True),
        ("0", False),
        ("False", False),
        ("no", False),
        ("OFF", False),
    ],
)
def test_a_switch_has_the_usual_words(text: str, on: bool) -> None:
    """For enforcing and for disabling alike."""
    assert read_config({**HOME, "BURSAR_ENFORCE": text}).enforce is on
    assert read_config({**HOME, "BURSAR_DISABLED": text}).disabled is on


def test_what_is_disabled_cannot_fail() -> None:
    """The way out works whatever else is set."""
    environ = {**HOME, "BURSAR_DISABLED": "1", "BURSAR_AGENT": "nonsense", "BURSAR_LABELS": "x", "BURSAR_ENFORCE": "?"}
    assert read_config(environ).disabled
    assert read_config({**HOME, "BURSAR_DISABLED": "1", "BURSAR_ON_UNREACHABLE": "closed"}).disabled


def test_what_is_no_utf_8_is_replaced() -> None:
    """The environment has lone surrogates for such bytes, and they cannot be sent on."""
    names = {"BURSAR_ROUTE": "caf\udce9", "BURSAR_LABELS": "a\udcff=\udcfex", "OTEL_SERVICE_NAME": "\udce9"}
    config = read_config({**HOME, **names})
    assert (config.route, config.labels, config.service) == ("caf?", {"a?": "?x"}, "?")


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("BURSAR_AGENT", "127.0.0.1:4319", "http://127.0.0.1:4319"),
        ("BURSAR_AGENT", "ftp://agent", "https://HOST:4319"),
        ("BURSAR_AGENT", "unix:agent.sock", "unix:/run/bursar/agent.sock"),
        ("BURSAR_AGENT", "unix:/" + "a" * 107, "unix:/run/bursar/agent.sock"),
        ("BURSAR_AGENT", "http://", "http://127.0.0.1:4319"),
        ("BURSAR_AGENT", "http://[::1", "http://127.0.0.1:4319"),
        ("BURSAR_AGENT", "http://agent:port", "http://127.0.0.1:4319"),
        ("BURSAR_AGENT", "http://agent:70000", "http://127.0.0.1:4319"),
        ("BURSAR_AGENT", "http://agent:4319/v1/traces", "http://127.0.0.1:4319"),
        ("BURSAR_LABELS", "tenant", "name=value"),
        ("BURSAR_LABELS", "a=1,=2", "name=value"),
        ("BURSAR_ON_UNREACHABLE", "limited 1 USD", "Write open or closed"),
        ("BURSAR_ON_UNREACHABLE", "closed", "Set BURSAR_AGENT"),
        ("BURSAR_ENFORCE", "maybe", "Write 1 or 0"),
        ("BURSAR_DISABLED", "2", "Write 1 or 0"),
        ("BURSAR_METRICS", "newest", "Write one or more of off, cost, new, old, both, operation."),
        ("BURSAR_METRICS", "off,new", "Write off alone"),
    ],
)
def test_a_variable_that_cannot_work_is_named_with_its_remedy(name: str, text: str, remedy: str) -> None:
    """At the start, not at the first call."""
    with pytest.raises(ConfigError) as caught:
        read_config({**HOME, name: text})
    assert str(caught.value).startswith(f"{name}: ")
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    "text", ["http://agent:4319", "http://127.0.0.1:4319", "http://[::1]:4319", "https://agent:443", "unix:/run/a.sock"]
)
def test_an_address_of_an_agent_is_taken(text: str) -> None:
    """Names, addresses of both kinds, and the path of a socket."""
    assert str(read_config({**HOME, "BURSAR_AGENT": text}).agent) == text


def test_whom_to_trust_is_read_where_it_will_matter(tmp_path: Path) -> None:
    """An agent's certificate that could never be checked is no outage, but a mistake; without TLS nobody looks."""
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    for path in (missing, empty):
        environ = {**HOME, "BURSAR_CA_FILE": str(path)}
        assert read_config({**environ, "BURSAR_AGENT": "http://agent"}).ca_file == path
        with pytest.raises(ConfigError, match=rf"^BURSAR_CA_FILE: {path} cannot be read as certificates .*in PEM"):
            read_config({**environ, "BURSAR_AGENT": "https://agent"})


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", {}),
        (" , ", {}),
        ("a=1", {"a": "1"}),
        (" a = 1 , b = x=y ", {"a": "1", "b": "x=y"}),
        ("a=", {"a": ""}),
        ("a=1,a=2", {"a": "2"}),
    ],
)
def test_labels_are_pairs_with_commas_between(text: str, labels: dict[str, str]) -> None:
    """Spaces around names and values do not count; an equals sign in a value does."""
    assert read_labels(text) == labels


@pytest.mark.parametrize(
    ("text", "families"),
    [
        ("off", set[str]()),
        ("cost", {"cost"}),
        ("new", {"cost", "new"}),
        ("old", {"cost", "old"}),
        ("both", {"cost", "new", "old"}),
        ("new, operation", {"cost", "new", "operation"}),
    ],
)
def test_metrics_come_in_families(text: str, families: set[str]) -> None:
    """Cost is in each of them, and nothing in `off`; today's names where nothing is said."""
    assert read_metrics(text) == families
    assert read_config(HOME).metrics == {"cost", "new"}


def test_a_dialect_nobody_knows_is_named_with_those_that_are() -> None:
    """The same for the variable and for `instrument(dialects=[...])`."""
    known = "langfuse, openinference, traceloop, logfire, otel-proposal"
    with pytest.raises(
        ConfigError, match=rf"^dialects \(BURSAR_DIALECTS\): 'langfuze' is not known. Known are {known}.$"
    ):
        read_config({**HOME, "BURSAR_DIALECTS": "logfire,langfuze"})
    assert read_dialects(["logfire", "langfuse", "logfire"]) == ("logfire", "langfuse")
