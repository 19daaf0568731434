"""
Calls that are put off, under everything at once: does each get one answer, and is the bill what the ledger says?

A seed makes a life: some calls, of which 30% are answered by an error, 10% expire and 5% are cancelled the first times
they are in a batch; answers of the API that are lost, late or refusals; deadlines that some batches miss; and an agent
that is killed between any two steps, again and again. Time and the API are simulated, the agent and its ledger real.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlite_utils import Database
from tests.agent.batching.house import SECOND, Died, House, outcomes, staged, take, turn
from tests.soak.figure import Claim, Figure, Progress, silently

from bursar.agent.batching.office import Office
from bursar.agent.ledger import audit, batchbook, deferralbook
from bursar.policies.deferral import Outcome

_BATCHES = "/v1/messages/batches"
_FATES = {"errored": 0.30, "expired": 0.10, "canceled": 0.05}
_MOST_CALLS = 30
_TURNS = 2_000


@dataclass
class Life:
    """One seed's: what befalls the calls, the wire and the agent."""

    seed: int
    deaths: int = 0
    steps: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.calls = self.dice.randint(1, _MOST_CALLS)
        self.may_die = self.dice.choice((0.0, 0.02, 0.1, 0.3))
        self.may_fail = self.dice.choice((0.0, 0.1, 0.4))
        self.batch_ms = self.dice.choice((0, 20_000, 400_000))
        self.wait_seconds = self.dice.choice((500, 7_200))

    def dies(self, step: str) -> bool:
        """Whether this step is the agent's last."""
        self.steps.add(step)
        died = self.deaths < 2 * _MOST_CALLS and self.dice.random() < self.may_die
        self.deaths += died
        return died

    def fate(self, _attempt: str) -> str:
        """What comes of an attempt in a batch."""
        thrown = self.dice.random()
        for fate, share in _FATES.items():
            if thrown < share:
                return fate
            thrown -= share
        return "succeeded"

    def headers(self, http: httpx.Request, body: bytes) -> Mapping[str, str]:
        """What the sandbox is told of a batch."""
        if (http.method, http.url.path) != ("POST", _BATCHES):
            return {}
        fates = {item["custom_id"]: self.fate(item["custom_id"]) for item in json.loads(body)["requests"]}
        return staged(fates.__getitem__, self.batch_ms)(http, body)

    def before(self, _http: httpx.Request) -> httpx.Response | None:
        """What keeps a request from arriving: no connection, or a refusal."""
        if self.dice.random() >= self.may_fail:
            return None
        if self.dice.random() < 0.5:
            raise httpx.ConnectError("refused")
        body = {"type": "error", "error": {"type": "rate_limit_error", "message": "later"}}
        return httpx.Response(429, json=body, headers={"retry-after": "3"})

    def after(self, http: httpx.Request) -> None:
        """What keeps an answer from arriving, although all was done. Of what is asked at once each arrives."""
        if http.url.path != "/v1/messages" and self.dice.random() < self.may_fail:
            raise httpx.ReadTimeout("no answer")


@dataclass(frozen=True, slots=True)
class End:
    """How a life ended."""

    seed: int
    states: Counter[str]
    paid: int
    """Requests that the API has billed."""
    bill: int
    exact: int
    bounds: int
    deaths: int
    steps: frozenset[str]
    faults: tuple[str, ...]


def live(seed: int, folder: Path) -> End:
    """One life, from its first offer until nothing is left to do."""
    life = Life(seed)
    house = House(folder)
    house.die = life.dies
    house.wire.headers, house.wire.before, house.wire.after = life.headers, life.before, life.after
    offers = [house.offer(f"{n}", due_ns=house.clock.ns() + life.wait_seconds * SECOND) for n in range(life.calls)]

    async def work(office: Office) -> bool:
        await take(office, *offers)
        for _ in range(_TURNS):
            house.later(life.dice.choice((1, 7, 31)))
            await turn(office)
            if not await office.means.read(_busy):
                return True
        return False

    while True:
        try:
            ended = house.run(work)
            break
        except Died:
            house.restart()
    house.die = lambda _step: False
    found = house.run(lambda office: outcomes(office, *(offer.id for offer in offers)))
    end = _end(house, life, found, ended=ended)
    house.close()
    return end


def _busy(db: Database) -> bool:
    return bool(batchbook.unfinished(db) or deferralbook.newest(db, 1, every=False))


def _end(house: House, life: Life, found: list[Outcome], *, ended: bool) -> End:
    totals = house.sandbox.state.bill.totals()
    charges = [charge for outcome in found for charge in outcome.charges]
    exact = sum(charge["cost_nano_usd"] or 0 for charge in charges)
    unknown = [charge for charge in charges if charge["cost_nano_usd"] is None]
    bounds = house.spent() - exact
    faults: list[str] = [] if ended else ["not all came to an end"]
    faults += [f"{life.calls} calls, {len(found)} answers"] * (len(found) != life.calls)
    faults += [f"{outcome.id} is {outcome.state}" for outcome in found if not outcome.state.over]
    faults += [f"{house.held()} nano-dollars are held by nothing"] * (house.held() != 0)
    faults += [f"billed {totals['nano_usd']}, booked {exact}"] * (not unknown and totals["nano_usd"] != exact)
    faults += ["more is billed than booked"] * (totals["nano_usd"] > house.spent())
    faults += ["an answer counts twice"] * (
        len({c["response_id"] for c in charges if c not in unknown}) + len(unknown) != len(charges)
    )
    faults += [f"{outcome.id} was paid twice" for outcome in found if _twice(outcome)]
    with house.ledger.reading() as db:
        faults += audit.wrong(db)
    return End(
        life.seed,
        Counter(str(outcome.state) for outcome in found),
        totals["requests"],
        totals["nano_usd"],
        exact,
        bounds,
        life.deaths,
        frozenset(life.steps),
        tuple(f"seed {life.seed}: {fault}" for fault in faults),
    )


def _twice(outcome: Outcome) -> bool:
    """Two batches answered one call: only a fallback may be paid beside a batch."""
    batched = [charge for charge in outcome.charges if "batch" in charge["modifiers"]]
    return len(batched) > 1


def measure(seeds: int, *, first: int = 0, progress: Progress = silently) -> Figure:
    """Live so many lives."""
    ends: list[End] = []
    for seed in range(first, first + seeds):
        with tempfile.TemporaryDirectory() as folder:
            ends.append(live(seed, Path(folder)))
        progress(len(ends), seeds)
    states = sum((end.states for end in ends), Counter[str]())
    faults = [fault for end in ends for fault in end.faults]
    numbers = {
        "lives": len(ends),
        "calls": states.total(),
        "deaths": sum(end.deaths for end in ends),
        "billed_requests": sum(end.paid for end in ends),
        "billed_nano_usd": sum(end.bill for end in ends),
        "booked_nano_usd": sum(end.exact for end in ends),
        "bounds_nano_usd": sum(end.bounds for end in ends),
        "steps": sorted(frozenset[str]().union(*(end.steps for end in ends))),
        "states": dict(states),
        "faults": faults,
    }
    rows = [(name, f"{value:,}") for name, value in numbers.items() if isinstance(value, int)]
    rows += [(state, f"{count:,}") for state, count in sorted(states.items())]
    return Figure(
        name="batches",
        title="Calls put off, killed between any two steps, on a wire that loses",
        columns=("what", "count"),
        rows=rows,
        claims=(Claim("every call has one answer, and every dollar billed is booked once", not faults),),
        repeat=tuple(f"python -m tests.soak batches --seeds 1 --first {fault.split()[1][:-1]}" for fault in faults),
        numbers=numbers,
    )
