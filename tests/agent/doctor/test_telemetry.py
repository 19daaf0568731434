"""Claims about spans: who makes them, where they go, and who takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.agent.doctor.lookedat import FAIL, OK, WARN, found

from bursar.agent.doctor import telemetry
from bursar.agent.doctor.finding import Finding, State
from bursar.agent.ledger.forwardtables import TargetState, path_beside

TWIN = {"name": "twin", "doubles": True, "means": "two spans", "remedy": "Uninstall it"}
ELSE = {"name": "elsewhere", "doubles": False, "means": "it is told there too", "remedy": ""}


@pytest.mark.parametrize(
    ("peers", "disabled", "states"),
    [
        ([], [], [OK]),
        ([TWIN], [], [WARN]),
        ([TWIN], ["httpx"], [WARN]),
        ([TWIN], ["anthropic"], [OK]),
        ([TWIN], ["*"], [OK]),
        ([TWIN, ELSE], [], [WARN, OK]),
    ],
)
def test_other_instrumentations(peers: list[dict[str, Any]], disabled: list[str], states: list[State]) -> None:
    """One that doubles spans is warned of, unless it is switched off: they all go by one name."""
    assert [seen.state for seen in telemetry.judge_others(peers, disabled)] == states


def test_a_double_span_is_told_with_its_remedy() -> None:
    """Both in the words of the instrumentation, which knows them."""
    (seen,) = telemetry.judge_others([TWIN], [])
    assert seen.said == "twin can instrument anthropic too: two spans"
    assert seen.remedy == "Uninstall it, if it does"


def test_the_instrumentation_says_who_is_installed() -> None:
    """In this environment nobody else is: the tests of the instrumentation have one for each that is known."""
    assert telemetry.installed() == []


def test_an_instrumentation_that_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody can say, and that is said."""
    monkeypatch.setattr(telemetry, "_PEERS", "bursar.policies.no_such_module")
    assert found(telemetry.others, tmp_path)["other instrumentations"].state is WARN


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
    monkeypatch.setattr(telemetry, "can_export", lambda: can_export)
    seen = found(telemetry.traces, tmp_path, environ)["traces"]
    assert (seen.state, seen.said) == (state, said)


def judged(environ: dict[str, str]) -> list[Finding]:
    return list(telemetry.judge_variables(environ))


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/v1/traces"},
        {"OTEL_SDK_DISABLED": "false", "OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "anthropic, redis"},
    ],
)
def test_variables_that_fit(environ: dict[str, str]) -> None:
    """Nothing is said of them."""
    assert judged(environ) == []


@pytest.mark.parametrize(
    ("environ", "state", "said"),
    [
        ({"OTEL_SDK_DISABLED": "True"}, WARN, "no span and no metric is made"),
        ({"OTEL_TRACES_EXPORTER": "none"}, WARN, "spans go nowhere"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "bursar"}, WARN, "switches Bursar off"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}, FAIL, "has no http:// or https:// in front"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:port"}, FAIL, "is no address"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, WARN, "has the usual port of grpc, and http/protobuf"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"},
            WARN,
            "has the usual port of http/protobuf, and grpc",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/v1/traces/"}, WARN, "exporters add that once more"),
    ],
)
def test_variables_that_do_not_fit(environ: dict[str, str], state: State, said: str) -> None:
    """Each with what to do."""
    (seen,) = judged(environ)
    assert (seen.what, seen.state) == ("OTEL variables", state)
    assert said in seen.said
    assert seen.remedy


def test_receivers_of_spans() -> None:
    """One that fails, and one that lost some; where all is well, one line."""
    fine, lost = TargetState("a", present=True), TargetState("b", present=True, overflowed=3)
    failing = TargetState("c", url="http://c", present=True, spans=9, failing_since_ns=1, last_error="503")
    assert list(telemetry.judge_forwards([])) == []
    assert list(telemetry.judge_forwards([fine])) == [Finding("forwards", OK, "1 take what they are sent")]
    assert [(seen.state, seen.said) for seen in telemetry.judge_forwards([fine, lost, failing])] == [
        (WARN, "b takes spans, and 3 are lost"),
        (WARN, "c takes nothing, 9 spans wait: 503"),
    ]


def test_nobody_to_pass_spans_on_to(tmp_path: Path) -> None:
    """Nothing to say; a file that is none of ours is told."""
    assert found(telemetry.forwards, tmp_path) == {}
    beside = path_beside(tmp_path / "bursar.sqlite")
    beside.write_text("no queue at all, only words that go on for a while" * 10)
    assert found(telemetry.forwards, tmp_path, {"BURSAR_DB": str(tmp_path / "bursar.sqlite")})["forwards"].state is WARN
