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

from bursar.agent.cli import cli
from bursar.agent.commands.run import Order


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
