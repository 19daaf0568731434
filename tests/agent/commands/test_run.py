"""Claims about programs under `bursar run`, with real processes against the sandbox."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bursar.agent.app import serving_agent
from bursar.agent.commands import run
from bursar.agent.commands.reach import TurnedAwayError
from bursar.agent.commands.run import DISABLED, UNSEEN, Order, RunError, autoload_folder, instrumented, last_line
from bursar.agent.ledger import open_for_reading, reports
from bursar.agent.sandbox import create_app, serving
from bursar.agent.sandbox.bill import key_label
from bursar.agent.settings import Settings, Tcp
from bursar.policies.amounts import usd

pytestmark = pytest.mark.xdist_group("run")
"""All in one worker: the processes that they share are started once."""

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = {
    "ticket_triage": {"classify", "summarise", "Desk.reply"},
    "doc_digest": {"digest_section", "combine", "headline"},
    "research_loop": {"plan", "research", "edit"},
}

SPENDER = """
import anthropic, sys
client = anthropic.Anthropic(max_retries=0)
try:
    while True:
        client.messages.create(
            model="claude-haiku-5-5", max_tokens=100, messages=[{"role": "user", "content": "Go on."}],
            extra_headers={"x-sandbox-output-tokens": "100"},
        )
except anthropic.APIError:
    sys.exit("an API error")
except Exception as error:
    print(type(error).__name__, error.budget)
    sys.exit(5)
"""
"""Each call costs at least 100 tokens of output at 500 nano-dollars: 50,000 of them."""

KILLED = """
import anthropic, os, pathlib, threading, time
journal = pathlib.Path(os.environ["BURSAR_STATE_DIR"], "journal")
client = anthropic.Anthropic()
create = lambda: client.messages.create(
    model="claude-haiku-5-5", max_tokens=100, messages=[{"role": "user", "content": "Hang."}],
    extra_headers={"x-sandbox-error": "hang"},
)
threading.Thread(target=create, daemon=True).start()
while not any(file.stat().st_size for file in journal.glob("*.jsonl")):
    time.sleep(0.01)
os.kill(os.getpid(), 9)
"""
"""It dies between send and settle: as soon as its journal says that the request has left."""


@dataclass(frozen=True)
class Ran:
    """A program that has run under Bursar."""

    code: int
    out: str
    said: list[str]
    db: Path

    def routes(self) -> dict[str, Any]:
        with open_for_reading(self.db) as ledger:
            return {row["route"]: row for row in reports.by(ledger, ["route"], 0, time.time_ns())}

    def total(self) -> dict[str, Any]:
        with open_for_reading(self.db) as ledger:
            return reports.totals(ledger, 0, time.time_ns())


@dataclass(frozen=True)
class Scenes:
    """All programs that need an agent of their own, run at the same time, with what the API billed for each."""

    ran: Mapping[str, Ran]
    bill: Mapping[str, int]


def bursar(*arguments: str, environ: Mapping[str, str], **kwargs: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bursar.agent", "run", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=90, check=False, **kwargs
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Generator[Scenes]:
    folder = tmp_path_factory.mktemp("run")
    (folder / "spender.py").write_text(SPENDER)
    (folder / "killed.py").write_text(KILLED)
    commands = {name: [str(ROOT / "examples" / f"{name}.py")] for name in EXAMPLES}
    commands["spender"] = ["--limit", "0.001 USD", "--", sys.executable, str(folder / "spender.py")]
    commands["killed"] = ["--limit", "1 USD", str(folder / "killed.py")]
    app = create_app()
    with serving(app) as url, ThreadPoolExecutor(len(commands)) as pool:

        def play(name: str) -> Ran:
            db = folder / f"{name}.sqlite"
            environ = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": name, "TMPDIR": str(folder)}
            environ |= (
                {"BURSAR_ENFORCE": "0"} if name == "spender" else {}
            )  # a cap that was asked for holds all the same
            done = bursar("--db", str(db), *commands[name], environ=environ)
            return Ran(done.returncode, done.stdout, done.stderr.splitlines(), db)

        ran = dict(zip(commands, pool.map(play, commands), strict=True))
        billed = app.state.bill.totals()["by_key"]
    yield Scenes(ran, {name: billed.get(key_label(name), 0) for name in commands})
    assert not list(folder.glob("bursar-*"))  # nothing temporary is left


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_report_their_routes_unchanged(scenes: Scenes, name: str) -> None:
    """Each function that calls is a route, named after the module it would be if it were imported."""
    ran = scenes.ran[name]
    assert ran.code == 0
    assert set(ran.routes()) == {f"{name}:{function}" for function in EXAMPLES[name]}
    assert "bursar" not in (ROOT / "examples" / f"{name}.py").read_text()


@pytest.mark.parametrize("name", EXAMPLES)
def test_one_line_says_what_it_cost(scenes: Scenes, name: str) -> None:
    """To the nano-dollar what the API billed; nothing else is written to standard error."""
    ran, calls = scenes.ran[name], {"ticket_triage": 9, "doc_digest": 6, "research_loop": 10}[name]
    assert ran.said == [f"bursar: {calls} calls, {usd(scenes.bill[name])} USD (0 estimated)"]


def test_a_limit_holds(scenes: Scenes) -> None:
    """The program gets BudgetExceeded, no API error; the cap is used up as far as calls go, and never exceeded."""
    ran, limit = scenes.ran["spender"], 1_000_000
    assert (ran.code, ran.out) == (5, "BudgetExceeded run\n")
    spent = ran.total()["nano_usd"]
    assert spent == scenes.bill["spender"]
    assert limit - 60_000 < spent <= limit
    calls = ran.total()["calls"]
    assert ran.said == [f"bursar: {calls} calls, {usd(spent)} USD (0 estimated); refused 1, alerted 1"]


def test_a_killed_program_is_counted(scenes: Scenes) -> None:
    """What it had under way is booked at its bound, and the line says so."""
    ran = scenes.ran["killed"]
    assert ran.code == 137
    total = ran.total()
    assert total["nano_usd"] == total["estimated_nano_usd"] > 100 * 500  # 100 tokens of output at most, and a prompt
    assert ran.said[-1] == f"bursar: 1 call, {usd(total['nano_usd'])} USD ({usd(total['nano_usd'])} USD estimated)"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """The environment of an application with an agent in reach."""
    state = tmp_path_factory.mktemp("state")
    with serving_agent(Settings(state_dir=state, db=state / "bursar.sqlite", listen=(Tcp(port=0),))) as agent:
        yield {"BURSAR_AGENT": agent.url, "BURSAR_STATE_DIR": str(state)}


def test_input_output_and_exit_code_are_the_programs(shared: dict[str, str]) -> None:
    """With an agent in reach there is no second one, and the line says where the calls are."""
    code = "import sys; print(input() * 2); print('oh', file=sys.stderr); sys.exit(7)"
    done = bursar("--", sys.executable, "-c", code, environ=shared, input="ab\n")
    assert (done.returncode, done.stdout) == (7, "abab\n")
    told = f"bursar: the calls were told to the agent at {shared['BURSAR_AGENT']}; see `bursar report`"
    assert done.stderr.splitlines() == ["oh", told]


def test_a_signal_to_bursar_is_the_programs(shared: dict[str, str], tmp_path: Path) -> None:
    """It ends in its own time, with its own exit code."""
    code = (
        "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(9))\n"
        "print('ready', flush=True)\nwhile True: time.sleep(0.05)"
    )
    (tmp_path / "waits.py").write_text(code)
    command = [sys.executable, "-m", "bursar.agent", "run", str(tmp_path / "waits.py")]
    with subprocess.Popen(
        command, env={**os.environ, **shared}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 9


@pytest.mark.parametrize(
    ("option", "order"),
    [
        ("--policy", Order(("true",), policy=Path("bursar.toml"))),
        ("--limit", Order(("true",), limit="2 USD")),
        ("--prices", Order(("true",), prices=Path("prices.toml"))),
        ("--db", Order(("true",), db=Path("bursar.sqlite"))),
    ],
)
def test_own_rules_beside_a_shared_agent_are_refused(option: str, order: Order, shared: dict[str, str]) -> None:
    """A cap that somebody asks for is not silently the other agent's."""
    with pytest.raises(RunError, match=f"{option} needs an agent of the command's own, and BURSAR_AGENT names"):
        run.run(order, {**os.environ, **shared}, pytest.fail)


def test_an_agent_that_does_not_answer_is_replaced() -> None:
    """The command gets one of its own, and what it names in the environment is that one."""
    code = "import os; print(os.environ['BURSAR_AGENT'])"
    environ = {**os.environ, "BURSAR_AGENT": "http://127.0.0.1:9"}
    done = bursar("--", sys.executable, "-c", code, environ=environ)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d{4,5}\n", done.stdout)
    assert done.stderr == "bursar: 0 calls, 0.00 USD (0 estimated)\n"


@pytest.mark.parametrize(
    ("options", "command", "code"),
    [
        (["--limit", "1 USD"], [sys.executable, "-I", "-c", ""], 1),
        (["--limit", "1 USD"], [sys.executable, "-E", "-c", "raise SystemExit(7)"], 7),
        (["--limit", "1 USD"], [sys.executable, "-S", "-c", ""], 1),
        ([], [sys.executable, "-I", "-c", ""], 0),
    ],
)
def test_a_program_out_of_reach_is_told(options: list[str], command: list[str], code: int) -> None:
    """A cap that was not held is no success, though the program's own failure is told before it."""
    done = bursar(*options, "--", *command, environ={})
    assert (done.returncode, done.stderr.splitlines()) == (code, ["bursar: 0 calls, 0.00 USD (0 estimated)", UNSEEN])


def test_a_program_in_reach_that_calls_nobody_is_well() -> None:
    """It was instrumented, and there was nothing to count."""
    done = bursar("--limit", "1 USD", "--", sys.executable, "-c", "", environ={})
    assert (done.returncode, done.stderr) == (0, "bursar: 0 calls, 0.00 USD (0 estimated)\n")


@pytest.mark.parametrize(("options", "said"), [([], [DISABLED]), (["--limit", "1 USD"], [])])
def test_a_program_that_is_not_to_be_counted(options: list[str], said: list[str]) -> None:
    """It is told; a limit that was asked for holds, whatever the environment says."""
    code = "import os; print(os.environ['BURSAR_DISABLED'])"
    done = bursar(*options, "--", sys.executable, "-c", code, environ={"BURSAR_DISABLED": "1"})
    assert done.stdout == ("0\n" if options else "1\n")
    assert (done.returncode, done.stderr.splitlines()) == (0, ["bursar: 0 calls, 0.00 USD (0 estimated)", *said])


def test_a_policy_that_could_not_hold() -> None:
    """It is refused, rather than passed over in silence."""
    order = Order((sys.executable, "-c", ""), policy=Path("bursar.toml"))
    with pytest.raises(RunError, match="BURSAR_DISABLED is set, and no policy holds then"):
        run.run(order, {**os.environ, "BURSAR_DISABLED": "yes"}, pytest.fail)


def test_out_of_reach_of_a_shared_agent(shared: dict[str, str]) -> None:
    """Told as well; no cap was asked for, so the exit code is the program's."""
    done = bursar("--", sys.executable, "-I", "-c", "", environ=shared)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, UNSEEN)


def test_variables_that_cannot_work_are_refused_before_the_start() -> None:
    """In the program they would only be a line that nobody reads, and no call counted."""
    with pytest.raises(RunError, match=r"^BURSAR_LABELS: 'oops' is not a label"):
        run.run(Order((sys.executable, "-c", "")), {**os.environ, "BURSAR_LABELS": "oops"}, pytest.fail)


def test_an_agent_that_turns_the_program_away(tmp_path: Path) -> None:
    """Nothing is run under an agent that would refuse every message."""
    (tmp_path / "token").write_text("secret")
    there = Settings(state_dir=tmp_path, db=tmp_path / "db", listen=(Tcp(port=0),), token_file=tmp_path / "token")
    with serving_agent(there) as agent:
        environ = {**os.environ, "BURSAR_AGENT": agent.url, "BURSAR_STATE_DIR": str(tmp_path)}
        order = Order((sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"))
        with pytest.raises(TurnedAwayError, match="no token was shown"):
            run.run(order, environ, pytest.fail)
        assert not (tmp_path / "ran").exists()
        said: list[str] = []
        assert run.run(order, {**environ, "BURSAR_TOKEN_FILE": str(tmp_path / "token")}, said.append) == 0
    assert said == [f"bursar: the calls were told to the agent at {agent.url}; see `bursar report`"]


def test_the_path_of_the_program_is_kept() -> None:
    """Ours comes first, once, however often it is put there."""
    ours = str(autoload_folder())
    run = {"BURSAR_RUN": "r1"}
    once = instrumented({"PYTHONPATH": os.pathsep.join(["/a", "/b"]), "X": "1", **run})
    assert once == {"PYTHONPATH": os.pathsep.join([ours, "/a", "/b"]), "X": "1", **run}
    assert instrumented(once) == once
    assert instrumented({"PYTHONPATH": "", **run}) == instrumented(run) == {"PYTHONPATH": ours, **run}
    assert (autoload_folder() / "sitecustomize.py").is_file()


def test_each_command_is_a_run_of_its_own() -> None:
    """Unless it is part of one already."""
    first, second = instrumented({})["BURSAR_RUN"], instrumented({})["BURSAR_RUN"]
    assert len({first, second, ""}) == 3
    assert instrumented({"BURSAR_RUN": first})["BURSAR_RUN"] == first
    assert instrumented({"BURSAR_RUN": ""})["BURSAR_RUN"]


TOTAL: dict[str, Any] = {"calls": 12, "nano_usd": 34_000_000, "estimated_nano_usd": 0, "unknown_charges": 0}


def decided(*actions: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"action": action, "call_id": call} for action, call in actions]


@pytest.mark.parametrize(
    ("changes", "decisions", "alerts", "line"),
    [
        ({}, [], 0, "bursar: 12 calls, 0.034 USD (0 estimated)"),
        ({"estimated_nano_usd": 10**7}, [], 0, "bursar: 12 calls, 0.034 USD (0.01 USD estimated)"),
        ({"unknown_charges": 2}, [], 0, "bursar: 12 calls, 0.034 USD (0 estimated) and 2 charges of unknown cost"),
        (
            {"calls": 1, "unknown_charges": 1},
            [],
            0,
            "bursar: 1 call, 0.034 USD (0 estimated) and 1 charge of unknown cost",
        ),
        (
            {},
            decided(("downgrade", "a"), ("downgrade", "b"), ("downgrade", "b"), ("block", "b")),
            1,
            "bursar: 12 calls, 0.034 USD (0 estimated); downgraded 2, refused 1, alerted 1",
        ),
    ],
)
def test_the_last_line(changes: dict[str, Any], decisions: list[dict[str, Any]], alerts: int, line: str) -> None:
    """What is in doubt stands beside the total; a call that was retried under a step counts once."""
    assert last_line({**TOTAL, **changes}, decisions, alerts=alerts) == line
