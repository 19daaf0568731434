"""`bursar eval` from end to end, without an agent: what it prints, keeps, costs, and answers by its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from tests.agent.batching.house import NOON
from tests.agent.evals.stage import HAIKU, OPUS, STRUCTURED, sample
from tests.agent.ledger import fresh

from bursar.agent.cli import cli
from bursar.agent.ledger import Ledger, evalbook, open_for_reading, reports, samplebook
from bursar.agent.ledger.deferralbook import Text
from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.server import serving
from bursar.policies.route import Capture
from bursar.policies.sample import Sample

FOR_EVER = 2**62


@dataclass
class Shop:
    """A ledger with samples in it, and an API."""

    folder: Path
    sandbox: str

    @property
    def db(self) -> Path:
        return self.folder / "ledger.sqlite"

    def keep(self, agreeing: int, differing: int = 0, model: str = OPUS) -> None:
        """So many samples that any model answers alike, and so many that none does."""
        ledger = Ledger(fresh.file(self.db), clock_ns=lambda: NOON)
        for number in range(agreeing + differing):
            plain = number >= agreeing
            known = sample(number, "none of its words" if plain else STRUCTURED, plain=plain)
            name = f"{model}-{known.attempt_id}"
            told = Sample(name, "triage", NOON, model, "", known.request, known.answer)
            request, answer = (Text(sealed=False, text=text.encode()) for text in (known.request, known.answer))
            capture = Capture(500, 60.0)
            job = partial(samplebook.keep, told=told, request=request, answer=answer, capture=capture, now_ns=NOON)
            ledger.submit(job).result()
        ledger.close()

    def run(self, *arguments: str, **environ: str) -> Result:
        environment = {
            "BURSAR_STATE_DIR": str(self.folder / "state"),
            "BURSAR_DB": str(self.db),
            "BURSAR_AGENT": "http://127.0.0.1:9",
            "ANTHROPIC_BASE_URL": self.sandbox,
            "ANTHROPIC_API_KEY": "sk-ant-sandbox-123",
            **environ,
        }
        return CliRunner().invoke(cli, ["eval", *arguments], env=environment)

    def eval(self, *arguments: str, **environ: str) -> Result:
        return self.run("--route", "triage", "--candidate", HAIKU, "--no-batch", *arguments, **environ)

    @property
    def bill(self) -> int:
        found: dict[str, Any] = httpx.get(f"{self.sandbox}/sandbox/bill").json()
        return int(found["nano_usd"])

    @property
    def booked(self) -> int:
        with open_for_reading(self.db) as db:
            return int(reports.totals(db, 0, FOR_EVER)["nano_usd"])

    @property
    def evals(self) -> Sequence[evalbook.Evaluation]:
        with open_for_reading(self.db) as db:
            return evalbook.history(db)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with serving(create_app()) as sandbox:
        yield Shop(tmp_path, sandbox)


def test_a_candidate_that_agrees_passes_and_is_kept(shop: Shop) -> None:
    """80 of 80: the interval begins at 80 / (80 + 1.96²) = 0.954; the ledger is what the API bills."""
    shop.keep(80)
    result = shop.eval("--json", "--score", "json", "--fields", "queue,total")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["samples"], told["scored"], told["agreement"], told["high"]) == (80, 80, 1.0, 1.0)
    assert told["low"] == pytest.approx(0.9542, abs=1e-4)
    assert (told["passed"], told["reference"], told["score"]) == (True, OPUS, "json of queue,total")
    assert told["nano_usd"] == shop.bill == shop.booked > 0
    (kept,) = shop.evals
    assert (kept.route, kept.candidate, kept.passed, kept.cost_nano) == ("triage", HAIKU, True, shop.bill)
    with open_for_reading(shop.db) as db:
        assert reports.holds(db) == []
        rows = reports.by(db, ["route", "model"], 0, FOR_EVER)
    assert [(row["route"], row["model"]) for row in rows] == [("bursar.eval", HAIKU)]
    assert "likely" in result.stderr
    assert "never more than 2.00 USD" in result.stderr


def test_a_share_above_the_bar_is_not_enough(shop: Shop) -> None:
    """19 of 20 is 95%, and might be 76%: exit code 1, kept as failed, and said in words. Content only on demand."""
    shop.keep(19, 1)
    result = shop.eval("--show", "1")
    assert result.exit_code == 1
    assert "Agreement 95.0% of 20 samples; 95% interval 76.4% to 99.1%" in " ".join(result.stdout.split())
    assert "lower end" in result.stdout
    assert "reference: none of its words" in result.stdout
    assert [one.passed for one in shop.evals] == [False]
    assert "none of its words" not in str(shop.evals)
    assert "none of its words" not in shop.eval("--bar", "0.5").stdout


def test_it_stops_before_its_budget_is_passed(shop: Shop) -> None:
    """What was run is scored and kept, since lots and not answers chose it."""
    shop.keep(60)
    result = shop.eval("--json", "--budget", "0.0002 USD")
    told = json.loads(result.stdout)
    assert told["stopped"] == "budget"
    assert 0 < told["samples"] < 60
    assert shop.bill == shop.booked == told["nano_usd"] <= 200_000
    assert len(shop.evals) == 1


def test_an_api_that_refuses_ends_it_and_nothing_is_kept(shop: Shop) -> None:
    """Nothing is concluded from a key that is wrong."""
    shop.keep(30)
    result = shop.eval("--json", ANTHROPIC_API_KEY="no-key-of-any-kind", ANTHROPIC_BASE_URL=f"{shop.sandbox}/nowhere")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["scored"], told["nano_usd"], shop.booked) == (0, 0, 0)
    assert told["stopped"]
    assert shop.evals == []


def test_the_model_that_answered_most_is_the_reference(shop: Shop) -> None:
    """The others' samples are left out, and that is told."""
    shop.keep(3, model="claude-sonnet-5-5")
    shop.keep(5)
    result = shop.eval("--json")
    assert (json.loads(result.stdout)["reference"], json.loads(result.stdout)["scored"]) == (OPUS, 5)
    assert "3 answered by another model are left out" in result.stderr


def test_samples_are_forgotten_at_once(shop: Shop) -> None:
    """And there is nothing to run after that: exit code 3, with what to do."""
    shop.keep(3)
    assert json.loads(shop.run("--route", "triage", "--forget", "--json").stdout) == {"route": "triage", "forgotten": 3}
    result = shop.eval()
    assert result.exit_code == 3
    assert 'capture = "eval 500"' in result.stderr


def test_what_was_found_before_is_listed(shop: Shop) -> None:
    """With what is kept of content."""
    shop.keep(4)
    assert "No eval was made yet." in shop.run("--list").stdout
    shop.eval()
    told = json.loads(shop.run("--list", "--json").stdout)
    assert [one["candidate"] for one in told["evals"]] == [HAIKU]
    assert [(one["route"], one["samples"]) for one in told["samples"]] == [("triage", 4)]
    assert "4 samples of triage" in shop.run("--list").stdout


ASK = ["--route", "triage", "--candidate", HAIKU]
IMPOSSIBLE: list[tuple[list[str], int, str]] = [
    ([], 2, "--route"),
    (["--route", "triage"], 2, "--candidate"),
    (["--route", "triage", "--candidate", "claude-haiku-55"], 2, "no price"),
    (["--route", "triage", "--candidate", OPUS], 2, "answered by claude-opus-5-5 itself"),
    ([*ASK, "--score", "exakt"], 2, "exact, json"),
    ([*ASK, "--fields", "a"], 2, "--score json"),
    ([*ASK, "--budget", "2"], 2, "USD"),
    ([*ASK, "--json", "--show", "3"], 2, "content"),
    (["--route", "chat", "--candidate", HAIKU], 3, "triage (2)"),
    ([*ASK, "--score", "json", "--fields", "nope"], 3, "is a measure"),
]


def test_what_cannot_be_done_is_told_before_anything_is_spent(shop: Shop) -> None:
    """With its exit code, and what to write instead."""
    shop.keep(2)
    for arguments, code, said in IMPOSSIBLE:
        result = shop.run(*arguments)
        assert (result.exit_code, said in " ".join(result.stderr.split())) == (code, True), (arguments, result.stderr)
    assert shop.bill == 0


def test_without_a_key_it_cannot_start(shop: Shop) -> None:
    """The agent's own credential is what it asks with."""
    shop.keep(2)
    result = shop.eval(ANTHROPIC_API_KEY="")
    assert result.exit_code == 3
    assert "ANTHROPIC_API_KEY" in result.stderr
