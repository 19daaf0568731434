"""Claims about pause, raise, resume and overrides against a real agent: at once, on record, and told plainly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bursar.agent.app import Running, serving_agent
from bursar.agent.cli import cli
from bursar.agent.settings import Settings, Tcp
from bursar.policies.policy import Mode

POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
per = ["tenant"]
[budget.at]
"100%" = "block"
"""


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """An agent that every command finds."""
    (tmp_path / "bursar.toml").write_text(POLICY)
    settings = Settings(tmp_path, tmp_path / "db", listen=(Tcp(port=0),), policy=tmp_path / "bursar.toml")
    with serving_agent(settings) as running:
        monkeypatch.setenv("BURSAR_AGENT", running.url)
        monkeypatch.setenv("BURSAR_DB", str(settings.db))
        monkeypatch.setenv("BURSAR_STATE_DIR", str(tmp_path))
        yield running


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def limit(agent: Running, scope: str = "") -> int:
    policy = agent.rules.current.policy
    assert policy is not None
    return policy.budgets[0].limit_of(scope)


def as_filed(agent: Running) -> bool:
    """Whether the files' rules are in force, with nothing over them."""
    current = agent.rules.current
    return current.policy == agent.rules.filed.policy and current.snapshot.overrides is None


def test_pause_and_resume(agent: Running) -> None:
    """The budget only observes, from the command's return to the next one's."""
    told = call("pause", "day", "--for", "1h", "--reason", "launch")
    assert told.exit_code == 0
    assert told.output.startswith('bursar: budget "day" is paused: it observes, and changes nothing, until 2')
    policy = agent.rules.current.policy
    assert policy is not None
    assert policy.budgets[0].mode is Mode.OBSERVE
    assert (
        call("resume", "day").output == 'bursar: no longer: budget "day" is paused: it observes, and changes nothing\n'
    )
    assert as_filed(agent)


@pytest.mark.parametrize("amount", [("20", "USD"), ("20USD",), ("20 USD",)])
def test_raise(agent: Running, amount: tuple[str, ...]) -> None:
    """However the amount is written: 10 and 20 USD."""
    assert call("raise", "day", *amount, "--for", "2h").exit_code == 0
    assert limit(agent) == 30 * 10**9


def test_raise_one_scope_until_a_day(agent: Running) -> None:
    """The others keep their limit."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    told = call("raise", "day", "20 USD", "--scope", "tenant=acme", "--until", tomorrow)
    assert f"until {tomorrow}T00:00:00Z" in told.output or f"until {_before(tomorrow)}T23:59:59Z" in told.output
    assert (limit(agent, "tenant=acme"), limit(agent, "tenant=bob")) == (30 * 10**9, 10 * 10**9)


def _before(day: str) -> str:
    return (datetime.fromisoformat(day) - timedelta(days=1)).date().isoformat()


def test_the_list_says_who_why_and_until_when(agent: Running) -> None:
    """What stands; with --all what was taken back too."""
    call("pause", "--for", "1h", "--reason", "launch")
    call("raise", "day", "1 USD", "--for", "1h")
    call("resume", "day")
    (standing,) = json.loads(call("overrides", "--json").output)["overrides"]
    assert (standing["kind"], standing["budget"], standing["reason"], standing["stands"]) == (
        "pause",
        "*",
        "launch",
        True,
    )
    both = json.loads(call("overrides", "--all", "--json").output)["overrides"]
    assert [(row["kind"], row["stands"], row["ended_by"] is not None) for row in both] == [
        ("raise", False, True),
        ("pause", True, False),
    ]
    assert "every budget is paused" in " ".join(call("overrides").output.split())


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("pause", "other", "--for", "1h"), 1, 'there is no budget "other": the policy has day'),
        (("raise", "day", "5 calls", "--for", "1h"), 1, 'the limit of "day" is in USD'),
        (("pause", "day"), 2, "say how long it is to hold: --for 1h"),
        (("pause", "day", "--for", "1h", "--until", "2099-01-01"), 2, "say how long"),
        (("pause", "day", "--until", "2020-01-01"), 2, "2020-01-01 is over"),
        (("pause", "day", "--until", "soon"), 2, '"soon" names no time'),
        (("raise", "day", "much", "--for", "1h"), 2, '"much" is no limit'),
        (("resume", "day"), 1, "nothing is paused or raised under the name day"),
    ],
)
def test_what_cannot_be_done_is_told(agent: Running, arguments: tuple[str, ...], code: int, told: str) -> None:
    """With what to write instead, and the exit code that stands for it."""
    result = call(*arguments)
    assert (result.exit_code, told in result.output) == (code, True)
    assert as_filed(agent)


def test_without_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, and how to start one."""
    monkeypatch.setenv("BURSAR_AGENT", "http://127.0.0.1:9")
    result = call("pause", "day", "--for", "1h")
    assert (result.exit_code, "start `bursar agent`" in result.output) == (3, True)
