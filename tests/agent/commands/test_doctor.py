"""Claims about the check-up."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.certificates import authority

from bursar.agent.app import serving_agent
from bursar.agent.commands import doctor
from bursar.agent.commands.doctor import Finding, State, Surroundings, examine, well
from bursar.agent.settings import Settings, Tcp, UnixSocket, read_settings
from bursar.policies.prices import PriceBook, parse_book, shipped_book
from bursar.policies.protocol import Snapshot

TODAY = date(2026, 11, 22)
OK, WARN, FAIL = State.OK, State.WARN, State.FAIL


def examined(tmp_path: Path, environ: Mapping[str, str] | None = None) -> dict[str, Finding]:
    """Findings by what was looked at, on a machine with nothing but this folder."""
    given = {"BURSAR_STATE_DIR": str(tmp_path / "state"), **(environ or {})}
    return {finding.what: finding for finding in examine(Surroundings(read_settings(given), given, TODAY))}


@pytest.fixture(autouse=True)
def free_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where nobody listens, in place of the usual port, at which this machine may run an agent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    monkeypatch.setattr(doctor, "PORT", port)
    return port


def test_a_new_machine_is_well(tmp_path: Path) -> None:
    """Nothing fails where nothing was ever started, and what is missing is told with what to do."""
    found = examined(tmp_path)
    assert well(list(found.values()))
    assert {what: finding.state for what, finding in found.items()} == {
        "python": OK,
        "anthropic": OK,
        "bursar": OK,
        "agent": WARN,
        "state folder": OK,
        "journals": OK,
        "ledger": WARN,
        "models": OK,
        "prices": OK if (TODAY - (shipped_book().as_of or TODAY)).days <= 60 else WARN,
        "ladders": OK,
        "other instrumentations": OK,
        "traces": WARN,
    }
    assert all(finding.remedy for finding in found.values() if finding.state is not OK)
    assert not (tmp_path / "state").exists()


def test_a_running_agent_is_ready(tmp_path: Path) -> None:
    """With its ledger readable; traces go to it."""
    state = tmp_path / "state"
    with serving_agent(Settings(state_dir=state, db=state / "bursar.sqlite", listen=(Tcp(port=0),))) as agent:
        found = examined(tmp_path, {"BURSAR_AGENT": agent.url})
    assert found["agent"] == Finding("agent", OK, f"{agent.url} is ready")
    assert found["ledger"].state is OK
    assert found["traces"].said == f"they go to {agent.url} (BURSAR_AGENT)"


def test_an_agent_behind_a_socket_or_tls_is_ready(tmp_path: Path) -> None:
    """Spans do not go over a Unix socket, which is told; over TLS a CA of one's own has to be named."""
    state, ca = tmp_path / "state", authority(tmp_path / "ca")
    places = (UnixSocket(tmp_path / "a.sock"), Tcp(port=0))
    there = Settings(state_dir=state, db=state / "bursar.sqlite", listen=places, tls=ca.issue("agent"))
    with serving_agent(there) as agent:
        by_socket = examined(tmp_path, {"BURSAR_AGENT": agent.urls[0]})
        trusting = examined(tmp_path, {"BURSAR_AGENT": agent.urls[1], "BURSAR_CA_FILE": str(ca.file)})
        doubting = examined(tmp_path, {"BURSAR_AGENT": agent.urls[1]})
    assert by_socket["agent"] == Finding("agent", OK, f"unix:{tmp_path}/a.sock is ready")
    assert (by_socket["traces"].state, by_socket["traces"].said) == (
        WARN,
        "BURSAR_AGENT is a Unix socket, and no exporter speaks over one",
    )
    assert "second --listen" in by_socket["traces"].remedy
    assert trusting["agent"] == Finding("agent", OK, f"{agent.urls[1]} is ready")
    assert doubting["agent"].state is FAIL
    assert "BURSAR_CA_FILE" in doubting["agent"].said


def test_an_agent_that_is_gone_fails(tmp_path: Path, free_port: int) -> None:
    """The one thing that an application would silently go without."""
    gone = f"http://127.0.0.1:{free_port}"
    found = examined(tmp_path, {"BURSAR_AGENT": gone})
    assert found["agent"].state is FAIL
    assert gone in found["agent"].said
    assert not well(list(found.values()))


def test_an_agent_nobody_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers at the usual place, and the application would not use it."""
    state = tmp_path / "state"
    with serving_agent(Settings(state_dir=state, db=state / "bursar.sqlite", listen=(Tcp(port=0),))) as agent:
        monkeypatch.setattr(doctor, "PORT", int(agent.url.rpartition(":")[2]))
        found = examined(tmp_path)
    assert found["agent"].state is WARN
    assert found["agent"].remedy == f"set it to {agent.url}"


@pytest.mark.parametrize(
    ("healthz", "readyz", "said"),
    [
        ((404, ""), (404, ""), "http://a:1 answers 404 to /healthz"),
        ((200, ""), (503, "not ready: the disk is full\n"), "http://a:1: not ready: the disk is full"),
    ],
)
def test_an_agent_that_is_not_well(
    healthz: tuple[int, str], readyz: tuple[int, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own words are repeated."""
    answers = {"/healthz": healthz, "/readyz": readyz}

    def ask(_: str, path: str, *, ca_file: Path | None) -> tuple[int, str]:
        assert ca_file is None
        return answers[path]

    monkeypatch.setattr(doctor, "ask", ask)
    found = examined(tmp_path, {"BURSAR_AGENT": "http://a:1"})
    assert (found["agent"].state, found["agent"].said) == (FAIL, said)


def test_a_state_folder_that_is_a_file(tmp_path: Path) -> None:
    """Journals could not be written."""
    (tmp_path / "state").touch()
    assert examined(tmp_path)["state folder"].state is FAIL


def test_journals_and_a_broken_ledger(tmp_path: Path) -> None:
    """What waits is counted; a file that is no ledger fails."""
    state = tmp_path / "state"
    (state / "journal").mkdir(parents=True)
    (state / "journal" / "h1.jsonl").touch()
    (state / "bursar.sqlite").write_text("no ledger at all, only words that go on for a while" * 10)
    found = examined(tmp_path)
    assert (found["journals"].state, found["journals"].said) == (WARN, f"1 wait in {state / 'journal'}")
    assert found["ledger"].state is FAIL


def test_a_price_file_with_a_mistake(tmp_path: Path) -> None:
    """It is told, and nothing is said of ladders."""
    (tmp_path / "prices.toml").write_text("model = 3")
    found = examined(tmp_path, {"BURSAR_PRICES": str(tmp_path / "prices.toml")})
    assert found["prices"].state is FAIL
    assert "ladders" not in found


@pytest.mark.parametrize(("days", "state"), [(0, OK), (60, OK), (61, WARN)])
def test_the_age_of_the_prices(days: int, state: State) -> None:
    """Two months without a new price are unusual."""
    book = replace(shipped_book(), as_of=TODAY - timedelta(days))
    found = doctor.judge_book(book, TODAY)
    assert found.state is state
    assert f"({days} days)" in found.said
    assert book.source in found.said


def test_prices_without_a_date() -> None:
    """Nobody can say how old they are."""
    assert doctor.judge_book(replace(shipped_book(), as_of=None), TODAY).state is WARN


@pytest.mark.parametrize(
    ("version", "state"),
    [("0.107.9", FAIL), ("0.108.0", OK), ("1.14.0", OK), ("2.12.0", OK), ("3.0.0", WARN), ("2.12.0rc1", OK)],
)
def test_versions_of_the_sdk(version: str, state: State) -> None:
    """Middleware came with 0.108; what a next major brings nobody has tried."""
    assert doctor.judge_sdk(version).state is state


@pytest.mark.parametrize(
    ("others", "disabled", "state"),
    [
        ([], [], OK),
        (["otel"], [], WARN),
        (["otel"], ["httpx"], WARN),
        (["otel"], ["anthropic"], OK),
        (["x"], ["*"], OK),
    ],
)
def test_other_instrumentations(others: list[str], disabled: list[str], state: State) -> None:
    """They all go by one name, so one switch turns them off."""
    assert doctor.judge_others(others, disabled).state is state


@pytest.mark.parametrize(("python", "state"), [((3, 10, 9), FAIL), ((3, 11, 0), OK), ((3, 14, 1), OK)])
def test_the_age_of_python(python: tuple[int, int, int], state: State, tmp_path: Path) -> None:
    """3.11 is the oldest."""
    around = Surroundings(read_settings({"BURSAR_STATE_DIR": str(tmp_path)}), {}, TODAY, python=python)
    assert examine(around)[0].state is state


LADDER = 'version = 1\nmode = "observe"\nladder = ["claude-old", "claude-haiku-5-5"]\n'


def old_until(end: date) -> PriceBook:
    prices = "{ input = 1, cache_read = 1, cache_write_5m = 1, cache_write_1h = 1, output = 1 }"
    text = f'[[model]]\nid = "claude-old"\nretirement = {end}\nprices = [{prices}]\n'
    return shipped_book().extended(parse_book(text, source="test"))


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [
        (-1, FAIL, "claude-old was retired on 2026-11-21"),
        (0, FAIL, "claude-old was retired on 2026-11-22"),
        (1, WARN, "claude-old will be retired on 2026-11-23"),
        (60, WARN, "claude-old will be retired on 2027-01-21"),
        (61, OK, "2 models, none to be retired soon"),
    ],
)
def test_ladders_with_models_that_retire(days: int, state: State, said: str, tmp_path: Path) -> None:
    """The policy is the one that an agent told this machine last."""
    snapshot = Snapshot(id="s", policy=LADDER, file="bursar.toml")
    (tmp_path / "snapshot.json").write_text(json.dumps(asdict(snapshot)))
    policy = doctor.told_policy(doctor.told_snapshot(tmp_path))
    (found,) = doctor.retiring(policy, old_until(TODAY + timedelta(days)), TODAY)
    assert (found.state, found.said) == (state, said)


def test_a_snapshot_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """A newer agent may have written it."""
    (tmp_path / "snapshot.json").write_text("{")
    assert doctor.told_snapshot(tmp_path) is None
    assert doctor.told_policy(None) is None
    assert doctor.told_policy(Snapshot("s", policy="version =")) is None


SHIPPED = "the shipped facts of 2026-11-22"


@pytest.mark.parametrize(
    ("models", "environ", "state", "said"),
    [
        (None, {}, OK, f"{SHIPPED}; there is no Anthropic credential here"),
        (None, {"ANTHROPIC_API_KEY": "k"}, OK, f"{SHIPPED}; the Models API was not heard of"),
        (
            '[{"id":"claude-next-6","capabilities":{"image_input":{"supported":true}}}]',
            {},
            OK,
            f"the Models API says what 1 of them accept, over {SHIPPED}",
        ),
        ("{}", {}, WARN, f"{SHIPPED}, since what the agent told cannot be read: "),
    ],
)
def test_who_says_what_models_accept(
    models: str | None, environ: dict[str, str], state: State, said: str, tmp_path: Path
) -> None:
    """As the agent last told this machine."""
    (tmp_path / "state").mkdir()
    snapshot = Snapshot(id="s", models=models)
    (tmp_path / "state" / "snapshot.json").write_text(json.dumps(asdict(snapshot)))
    found = examined(tmp_path, environ)["models"]
    assert found.state is state
    assert found.said.startswith(said)


OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environ", "can_export", "state", "said"),
    [
        ({OTLP: "http://o"}, True, OK, "they go to http://o (OTEL_EXPORTER_OTLP_ENDPOINT)"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t", OTLP: "http://o"},
            True,
            OK,
            "they go to http://t (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)",
        ),
        (
            {OTLP: "http://o"},
            False,
            WARN,
            f"{OTLP} is set, but no exporter is installed",
        ),
    ],
)
def test_where_traces_go(
    environ: dict[str, str],
    can_export: bool,
    state: State,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenTelemetry's own variables go before the agent, the one for traces first."""
    monkeypatch.setattr(doctor, "can_export", lambda: can_export)
    found = examined(tmp_path, environ)["traces"]
    assert (found.state, found.said) == (state, said)


def test_an_agent_that_turns_this_machine_away(tmp_path: Path) -> None:
    """It is ready, and takes nothing from who does not show its token."""
    (tmp_path / "token").write_text("secret")
    there = Settings(state_dir=tmp_path, db=tmp_path / "db", listen=(Tcp(port=0),), token_file=tmp_path / "token")
    with serving_agent(there) as agent:
        found = examined(tmp_path, {"BURSAR_AGENT": agent.url})["agent"]
        assert (found.state, found.remedy) == (FAIL, "set BURSAR_TOKEN_FILE to the agent's token file")
        shown = {"BURSAR_AGENT": agent.url, "BURSAR_TOKEN_FILE": str(tmp_path / "token")}
        assert examined(tmp_path, shown)["agent"].state is OK
