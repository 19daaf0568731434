"""Claims about the command line: what stands where, and with which exit code."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import pytest
from tests.agent.asking import POLICY, alone, answer, bursar, complaint, lines

from bursar.agent import app
from bursar.agent.cli import cli
from bursar.agent.commands.run import Order
from bursar.agent.settings import Settings


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, tmp_path)


def test_the_version() -> None:
    """That of the distribution."""
    assert bursar("--version").stdout == "bursar, version 0.1.0\n"


def test_every_command_explains_itself() -> None:
    """One sentence at least, those of other rooms included."""
    context = click.Context(cli)
    names = cli.list_commands(context)
    expected = {"advise", "agent", "budgets", "check", "doctor", "holds", "price", "report", "routes", "run", "sandbox"}
    assert expected <= set(names)
    for name in names:
        done = bursar(name, "--help")
        assert done.exit_code == 0
        assert done.stdout.startswith(f"Usage: cli {name}")


def test_no_such_command() -> None:
    """Usage, and exit code 2."""
    assert "No such command 'spend'" in complaint("spend", code=2)


USAGE = '{"input_tokens": 1000, "output_tokens": 100}'


def test_a_price() -> None:
    """Sonnet 5.5 costs 2 and 10 USD per million tokens: 1,000 and 100 of them are 0.002 and 0.001 USD."""
    explained = answer("price", "--model", "claude-sonnet-5-5", "--usage", USAGE, "--at", "2026-11-01")
    assert (explained["nano_usd"], explained["model"]) == (3_000_000, "claude-sonnet-5-5")
    assert explained["price_id"] == "claude-sonnet-5-5@2026-10-07"
    assert [(line["label"], line["nano_usd"]) for line in explained["lines"]] == [
        ("input", 2_000_000),
        ("output", 1_000_000),
    ]
    assert answer("price", "--model", "claude-sonnet-5-5", "--usage", USAGE, "--batch")["nano_usd"] == 1_500_000


def test_a_price_for_people() -> None:
    """Line by line, with the total below."""
    said = lines(bursar("price", "--model", "claude-sonnet-5-5", "--usage", USAGE, "--at", "2026-11-01"))
    assert "│ input │ claude-sonnet-5-5 │ 1,000 │ 2 / MTok │ 0.002 │" in said
    assert "│ total │ │ │ │ 0.003 │" in said


def test_prices_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the option, or by the environment."""
    (tmp_path / "prices.toml").write_text('multiply = "2"\n')
    price = ("price", "--model", "claude-sonnet-5-5", "--usage", USAGE, "--at", "2026-11-01")
    assert answer(*price, "--prices", str(tmp_path / "prices.toml"))["nano_usd"] == 6_000_000
    monkeypatch.setenv("BURSAR_PRICES", str(tmp_path / "prices.toml"))
    assert answer(*price)["nano_usd"] == 6_000_000


def test_an_unknown_price_is_a_no() -> None:
    """Null, not zero, and exit code 1."""
    assert answer("price", "--model", "claude-none", "--usage", USAGE, code=1)["nano_usd"] is None
    assert bursar("price", "--model", "claude-none", "--usage", USAGE).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--usage", "{"), "bursar: --usage is no JSON"),
        (("--usage", '{"tokens": 3}'), "bursar: --usage: tokens is no key of Anthropic's usage object"),
        (("--usage", USAGE, "--at", "today"), "'today' does not match the format"),
        (("--usage", USAGE, "--prices", "none.toml"), "'none.toml' does not exist"),
        ((), "Missing option '--usage'"),
    ],
)
def test_a_price_asked_for_wrongly(arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2 and a sentence."""
    assert said in complaint("price", "--model", "claude-sonnet-5-5", *arguments, code=2)


@pytest.mark.parametrize("command", ["report", "budgets", "routes", "holds"])
def test_no_ledger_is_no_start(command: str, tmp_path: Path) -> None:
    """Exit code 3, the path, and what to do."""
    said = complaint(command, "--db", str(tmp_path / "none.sqlite"), code=3)
    assert said.startswith(f"bursar: there is no ledger at {tmp_path / 'none.sqlite'}: start the agent once")


def test_checking_a_policy(tmp_path: Path) -> None:
    """Sentences, and exit code 0."""
    path = tmp_path / "bursar.toml"
    path.write_text(POLICY.replace("[[budget]]", 'ladder = ["claude-none"]\n[[budget]]'))
    said = lines(bursar("check", str(path)))
    assert 'Budget "all-month": 4.00 USD every month, for all calls.' in said
    assert any(line.startswith('warning: ladder: "claude-none" is not in the price book') for line in said)
    checked = answer("check", str(path))
    assert checked["ok"] is True
    assert len(checked["warnings"]) == 1


def test_checking_a_policy_with_mistakes(tmp_path: Path) -> None:
    """A table of file, line, key, problem and remedy, and exit code 1."""
    path = tmp_path / "bursar.toml"
    path.write_text(POLICY.replace("enforce", "enforc"))
    done = bursar("check", str(path))
    assert done.exit_code == 1
    assert "1 mistake" in done.stdout
    assert 'did you mean "enforce"?' in " ".join(done.stdout.split())
    (mistake,) = answer("check", str(path), code=1)["mistakes"]
    assert (mistake["line"], mistake["path"]) == (2, "mode")
    assert "does not exist" in complaint("check", str(tmp_path / "none.toml"), code=2)


def test_the_agent_is_given_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags go before the environment, and its exit code is the command's."""
    (tmp_path / "bursar.toml").write_text(POLICY)
    given: list[Settings] = []

    def run_agent(settings: Settings, *, stop_with_input: bool) -> int:
        given.append(settings)
        return 3 if not stop_with_input else 0

    monkeypatch.setattr(app, "run_agent", run_agent)
    monkeypatch.setenv("BURSAR_DB", "elsewhere")
    files = ("--policy", str(tmp_path / "bursar.toml"), "--db", str(tmp_path / "x.sqlite"))
    assert bursar("agent", *files, "--listen", "127.0.0.1:4444").exit_code == 3
    assert bursar("agent", "--stop-with-input").exit_code == 0
    assert (given[0].policy, given[0].db, given[0].port) == (
        tmp_path / "bursar.toml",
        tmp_path / "x.sqlite",
        4444,
    )
    assert given[1].db == Path("elsewhere")


def test_an_agent_that_cannot_start() -> None:
    """Open to others without a token: exit code 3 and what to do."""
    assert "there is no token file" in complaint("agent", "--listen", "0.0.0.0:4444", code=3)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("no-such-tool",), 127, "bursar: there is no command no-such-tool"),
        (("--limit", "2", "true"), 2, 'bursar: "2" is no amount of money'),
        (("--policy", "none.toml", "true"), 2, "'none.toml' does not exist"),
        ((), 2, "Missing argument 'COMMAND...'"),
    ],
)
def test_programs_that_cannot_be_run(arguments: tuple[str, ...], code: int, said: str) -> None:
    """Before any agent is started."""
    assert said in complaint("run", *arguments, code=code)


def test_a_policy_and_a_limit_exclude_each_other(tmp_path: Path) -> None:
    """Which of them would hold?"""
    (tmp_path / "bursar.toml").write_text(POLICY)
    said = complaint("run", "--policy", str(tmp_path / "bursar.toml"), "--limit", "2 USD", "true", code=2)
    assert "--policy and --limit exclude each other" in said


def test_a_policy_with_mistakes_stops_a_run(tmp_path: Path) -> None:
    """The agent cannot start: exit code 3, and the mistakes."""
    (tmp_path / "bursar.toml").write_text(POLICY.replace("enforce", "enforc"))
    said = complaint("run", "--policy", str(tmp_path / "bursar.toml"), "true", code=3)
    assert 'did you mean "enforce"?' in said


def test_options_after_the_program_are_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they have names of ours, with or without the two dashes; its exit code is the command's."""
    commands: list[tuple[str, ...]] = []

    def run(order: Order, environ: Mapping[str, str], say: Callable[[str], None]) -> int:
        commands.append(order.command)
        return 7

    monkeypatch.setattr("bursar.agent.commands.run.run", run)
    assert bursar("run", "--limit", "1 USD", "app.py", "--limit", "3").exit_code == 7
    assert bursar("run", "--", "-m", "app", "--json").exit_code == 7
    assert bursar("run", "-m", "app").exit_code == 7
    assert commands == [("app.py", "--limit", "3"), ("-m", "app", "--json"), ("-m", "app")]


def test_a_sandbox_on_a_port_in_use() -> None:
    """Exit code 3 and a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1:{port}" in complaint("sandbox", "--port", port, code=3)


def test_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 as soon as something fails."""
    monkeypatch.setattr("bursar.agent.doctor.agent.PORT", 9)
    monkeypatch.setattr("bursar.agent.doctor.telemetry.installed", list)
    found = answer("doctor")
    assert found["ok"] is True
    assert {"what": "bursar", "state": "ok", "said": "0.1.0, protocol 1", "remedy": ""} in found["findings"]
    assert "ok bursar 0.1.0, protocol 1" in lines(bursar("doctor"))
    monkeypatch.setenv("BURSAR_AGENT", "http://127.0.0.1:9")
    assert answer("doctor", code=1)["ok"] is False


def test_the_command_line_is_light() -> None:
    """What the agent needs to run is loaded by the agent only, and the SDK by nobody here."""
    code = "import sys, bursar.agent.cli; print(*{'uvicorn', 'apscheduler', 'anthropic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
