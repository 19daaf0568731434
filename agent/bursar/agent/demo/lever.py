"""What does it save to do as the first recommendation says?"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from bursar.agent.advice.gathering import gathered
from bursar.agent.advice.recommendation import Kind, Recommendation
from bursar.agent.commands.pricing import load_book
from bursar.agent.commands.private_agent import PrivateAgent, private_agent
from bursar.agent.demo import stage
from bursar.agent.ledger import open_for_reading, printbook

Environ = dict[str, str]
ROUTE = "support.answer"
TOLD_SECONDS = 10.0
RUN_SECONDS = 60.0
_LOOK_SECONDS = 0.1


class LeverError(Exception):
    """The questions were not answered, or nothing was advised; the text says which."""


@dataclass(frozen=True, slots=True)
class Lever:
    """The same questions answered twice. Amounts in nano-dollars, by the sandbox's bill."""

    route: str
    text: str
    """The recommendation, in words."""
    snippet: str
    calls: int
    without_nano_usd: int
    with_nano_usd: int
    predicted_nano_usd: int
    """What the recommendation said these calls would save."""

    @property
    def saved_nano_usd(self) -> int:
        """What they did save."""
        return self.without_nano_usd - self.with_nano_usd


def pull(
    sandbox: str,
    folder: Path,
    environ: Mapping[str, str],
    prices: Path | None,
    reach: Callable[[PrivateAgent], Environ],
) -> Lever:
    """
    Answer some questions, ask for advice, do as it says, and answer them again, with an agent that has no budget.

    `environ` is that agent's; `reach` makes the application's. Raises `LeverError`, `PrivateAgentError`,
    `PriceBookError` and `httpx.HTTPError`.
    """
    policy = folder / "lever.toml"
    policy.write_text(stage.LEVER_POLICY)
    latency = {"on": "messages.create", "latency-ms": str(stage.LEVER_LATENCY_MS)}
    httpx.post(f"{sandbox}/sandbox/scene", json=latency, trust_env=False).raise_for_status()
    with private_agent(policy=policy, prices=prices, db=None, environ=environ) as agent:
        began_ns, began = time.time_ns(), billed(sandbox)
        _answer(reach(agent))
        plain = billed(sandbox)
        one = _advised(agent, began_ns, prices)
        _answer(reach(agent), "--cached")
        marked = billed(sandbox)
    nano = one.evidence["billed_nano_usd_per_day"] - one.evidence["predicted_nano_usd_per_day"]
    predicted = round(nano * one.evidence["days"])
    return Lever(ROUTE, one.text, one.snippet, stage.LEVER_TICKETS, plain - began, marked - plain, predicted)


def billed(sandbox: str) -> int:
    """What the sandbox has billed so far. Raises `httpx.HTTPError`."""
    bill = httpx.get(f"{sandbox}/sandbox/bill", trust_env=False).raise_for_status().json()
    found: int = bill["nano_usd"]
    return found


def _answer(environ: Environ, *more: str) -> None:
    command = [sys.executable, str(stage.application()), "--only-answer", "--tickets", str(stage.LEVER_TICKETS), *more]
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=RUN_SECONDS, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise LeverError(f"the questions were not answered within {RUN_SECONDS:g} s") from error
    if done.returncode:
        raise LeverError(f"the questions were not answered: {done.stderr.strip()}")


def _advised(agent: PrivateAgent, since_ns: int, prices: Path | None) -> Recommendation:
    """Where to mark, once the prompts were told: they come a moment after the calls."""
    end = time.monotonic() + TOLD_SECONDS
    while True:
        with open_for_reading(agent.db) as db:
            until_ns = time.time_ns()
            told = printbook.count(db, since_ns, until_ns)
            if told == stage.LEVER_TICKETS:
                found = gathered(db, load_book(prices), since_ns, until_ns, route=ROUTE)
                break
        if time.monotonic() > end:
            raise LeverError(f"of {stage.LEVER_TICKETS} prompts {told} were told")
        time.sleep(_LOOK_SECONDS)
    one = next((one for one in found if one.kind is Kind.CUT and one.advised), None)
    if one is None:
        raise LeverError(f"no cache marks were advised for {ROUTE}")
    return one
