"""Claims about crashes: whatever step is the last, every call gets one answer, and the bill is what the ledger says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest
from sqlite_utils import Database
from tests.agent.batching.house import Died, House, outcomes, staged, take, turn

from bursar.agent.batching.office import Office
from bursar.agent.ledger import batchbook, deferralbook
from bursar.policies.deferral import State

CALLS = 20
TURNS = 40
STEPS = (
    "taken", "forming", "put in", "formed", "posted", "submitted", "looked", "booked", "collected",
    "unformed", "found again", "queued again", "lost",
)  # fmt: skip


class Fates:
    """Of twenty calls six end in an error the first time they are in a batch, two expire, and one is cancelled."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, attempt_id: str) -> str:
        name = attempt_id.removeprefix("try-").partition("-")[0]
        if name in self._seen:
            return "succeeded"
        place = int(name)
        return "errored" if place < 6 else "expired" if place < 8 else "canceled" if place == 8 else "succeeded"

    def submitted(self, attempt_ids: list[str]) -> None:
        """The API has these now."""
        self._seen |= {attempt_id.removeprefix("try-").partition("-")[0] for attempt_id in attempt_ids}


def headers(fates: Fates, batch_ms: int) -> Callable[[httpx.Request, bytes], Mapping[str, str]]:
    """What the sandbox is told of every batch."""
    tell = staged(fates, batch_ms)

    def told(http: httpx.Request, body: bytes) -> Mapping[str, str]:
        found = tell(http, body)
        if found:
            fates.submitted([item["custom_id"] for item in json.loads(body)["requests"]])
        return found

    return told


def live(house: House) -> None:
    """Offer every call as an application does that asks again, and let time pass; start again after every death."""

    async def life(office: Office) -> None:
        await take(office, *(house.offer(f"{place}") for place in range(CALLS)))
        house.later(301)
        for _ in range(TURNS):
            await turn(office)
            if not await office.means.read(busy):
                return
            house.later(31)
        raise AssertionError("not all calls came to an end")

    while True:
        try:
            house.run(life)
            return
        except Died:
            house.restart()


def busy(db: Database) -> bool:
    """Whether anything is left to do."""
    return bool(batchbook.unfinished(db) or deferralbook.lines(db))


def check(house: House) -> None:
    """Every call has its one answer, nothing is held, and every dollar of the bill is booked once."""
    ids = [f"d-{place}" for place in range(CALLS)]
    found = house.run(lambda office: outcomes(office, *ids))
    assert Counter(outcome.state for outcome in found) == {State.SUCCEEDED: CALLS - 1, State.CANCELLED: 1}
    assert house.spent() == house.bill()
    assert house.held() == 0
    assert len({outcome.charges[-1]["response_id"] for outcome in found if outcome.charges}) == CALLS - 1
    assert sum(charge["cost_nano_usd"] for outcome in found for charge in outcome.charges) == house.bill()


def paid_calls(house: House) -> int:
    """How many requests the API has answered."""
    total: int = house.sandbox.state.bill.totals()["requests"]
    return total


def test_without_a_crash(tmp_path: Path) -> None:
    """Nineteen answers are paid for, since the one that was cancelled is not sent again."""
    house = House(tmp_path)
    house.wire.headers = headers(Fates(), 0)
    live(house)
    check(house)
    assert paid_calls(house) == CALLS - 1
    house.close()


@pytest.mark.parametrize("step", STEPS[:9])
@pytest.mark.parametrize("time", [1, 2])
def test_a_death_at_a_step(tmp_path: Path, step: str, time: int) -> None:
    """Killed right after a step, the first or the second time it is taken: nothing is lost, and nothing paid twice."""
    house = House(tmp_path)
    house.wire.headers = headers(Fates(), 20_000)
    seen: Counter[str] = Counter()

    def die(at: str) -> bool:
        seen[at] += 1
        return at == step and seen[at] == time

    house.die = die
    live(house)
    assert seen[step] >= time
    check(house)
    assert paid_calls(house) == CALLS - 1
    house.close()


@pytest.mark.parametrize("step", STEPS)
def test_a_death_at_a_step_of_recovery(tmp_path: Path, step: str) -> None:
    """Killed after the API has the batch and before that is known, and again at any step of what follows."""
    house = House(tmp_path)
    house.wire.headers = headers(Fates(), 20_000)
    first: list[str] = []
    second: list[str] = []

    def die(at: str) -> bool:
        if not first:
            if at == ("forming" if step == "unformed" else "formed" if step in ("queued again", "lost") else "posted"):
                first.append(at)
            return bool(first)
        if not second and at == step:
            second.append(at)
            return True
        return False

    house.die = die
    live(house)
    check(house)
    assert second
    assert paid_calls(house) == CALLS - 1
    house.close()
