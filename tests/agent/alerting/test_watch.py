"""Claims about the watch: what burns, will not last or creeps up is told once to whom the steps alert, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.flowing import spend

from bursar.agent.alerting.watch import Watch
from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger, alertbook, balances, outbox
from bursar.agent.ledger.booking import book
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.settings import Settings
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot
from bursar.policies.records import Settled
from bursar.policies.usage import Usage

SECOND, USD = 10**9, 10**9
HOUR, DAY = 3600, 86_400
MIDNIGHT = 1_795_219_200
"""2026-11-21 in UTC."""
NOON = MIDNIGHT + 12 * HOUR
POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "24 USD"
every = "day"
[budget.at]
"99%" = ["alert log", "alert team"]
"100%" = "alert team"
[[budget]]
name = "hour"
limit = "1 USD"
every = "hour"
[budget.at]
"999%" = "alert team"
[[channel]]
name = "team"
kind = "log"
"""
TODAY, TODAY_STEP = "day|2026-11-21T00:00:00Z|", "burn rate 2026-11-21"


@dataclass
class Place:
    """A ledger under rules that can be swapped, a clock that stands still, and a watch."""

    ledger: Ledger
    text: str = POLICY
    now: int = NOON
    nudges: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        settings = Settings(state_dir=Path(), db=Path())
        self.in_force = RulesInForce(settings, read=lambda _: rules(self.text))
        self.bookkeeper = Bookkeeper(
            self.ledger, self.in_force, clock_ns=lambda: self.now * SECOND, on_alert=lambda: self.nudges.append(1)
        )
        self.watch = Watch(self.bookkeeper, clock_ns=lambda: self.now * SECOND)

    def spend(self, at: dict[int, int], *, budget: str = "day") -> None:
        """Spend so much at these instants: in the flows, and of those of today in the balance."""

        def put(db: Database) -> None:
            spend(db, budget, "", {second: nano for second, nano in at.items() if second < MIDNIGHT})
            for second, nano in at.items():
                if second >= MIDNIGHT:
                    charge = Charge(f"{second}{nano}", nano, Usage(), Basis.USAGE, "m", "m", "r", at_ns=second * SECOND)
                    book(db, [Settled(charge)], holder="h", policy=self.in_force.current.policy, now_ns=0)

        self.ledger.submit(put).result()

    def told(self) -> list[tuple[str, str, str]]:
        """Look; then all that ever was raised, by balance, step and channel."""
        self.watch.look()
        with self.ledger.reading() as db:
            return sorted((alert.balance, alert.step, alert.channel) for alert in outbox.recent(db, 0))


def rules(text: str) -> Rules:
    return Rules(parse_policy(text, file="bursar.toml"), shipped_book(), Snapshot("id", text))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: NOON * SECOND)
    yield Place(ledger)
    ledger.close()


def minutes(count: int, nano: int, *, until: int = NOON) -> dict[int, int]:
    """The same in each of the last so many minutes."""
    return {until - 60 * back: nano for back in range(1, count + 1)}


def test_a_fire(place: Place) -> None:
    """Four dollars in an hour of a day that lasts with one: told to each channel of the budget, once."""
    place.spend(minutes(60, 4 * USD // 60))
    assert place.told() == [(TODAY, TODAY_STEP, "log"), (TODAY, TODAY_STEP, "team")]
    assert len(place.nudges) == 1
    place.now += 60
    place.spend(minutes(1, USD, until=place.now))
    assert len(place.told()) == 2
    assert len(place.nudges) == 1


def test_a_pace_that_lasts(place: Place) -> None:
    """A dollar an hour of 24: nothing is told, however often it is looked."""
    place.spend({MIDNIGHT + hour * HOUR + minute * 60: USD // 60 for hour in range(12) for minute in range(60)})
    for _ in range(3):
        assert place.told() == []
        place.now += 60


def test_a_new_watch_tells_nothing_again(place: Place) -> None:
    """A restart forgets what was seen, the outbox does not."""
    place.spend(minutes(60, 4 * USD // 60))
    first = place.told()
    place.watch = Watch(place.bookkeeper, clock_ns=lambda: place.now * SECOND)
    assert place.told() == first


def test_a_fire_may_be_told_again_the_next_day(place: Place) -> None:
    """In a week's budget, under the same balance."""
    place.text = POLICY.replace("24 USD", "168 USD").replace('every = "day"', 'every = "week"')
    place.in_force.reload(asked=True)
    place.spend(minutes(60, 8 * USD // 60))
    place.now += DAY
    place.spend(minutes(60, 8 * USD // 60, until=place.now))
    place.now -= DAY
    place.told()
    place.now += DAY
    week = "day|2026-11-16T00:00:00Z|"
    assert [told for told in place.told() if told[2] == "log" and told[1].startswith("burn")] == [
        (week, "burn rate 2026-11-21", "log"),
        (week, "burn rate 2026-11-22", "log"),
    ]


def test_a_day_that_will_not_last(place: Place) -> None:
    """13.8 USD at noon, and 0.75 of as much to come, are 24.15; it is told at 24.01, and not at 24."""
    place.spend({MIDNIGHT + hour * HOUR: 1_142_000_000 for hour in range(12)})
    assert place.told() == []
    place.spend({MIDNIGHT + 1: 20_000_000})
    assert place.told() == [(TODAY, "forecast", "log"), (TODAY, "forecast", "team")]


def test_days_that_creep_up(place: Place) -> None:
    """Three weeks at a dollar a day, then 1.10, 1.21, 1.33 and 1.46: told today, for yesterday."""
    days = [USD] * 21 + [1_100_000_000, 1_210_000_000, 1_330_000_000, 1_460_000_000]
    place.spend({MIDNIGHT - (len(days) - place_) * DAY: nano for place_, nano in enumerate(days)})
    place.spend({MIDNIGHT + 60: 1})
    assert place.told() == [(TODAY, "creep 2026-11-20", "log"), (TODAY, "creep 2026-11-20", "team")]


def test_what_is_known_of_yesterday_is_learnt_at_midnight(place: Place) -> None:
    """A watch that runs on sees the day that has just ended."""
    days = [USD] * 22
    place.spend({MIDNIGHT - (len(days) - place_) * DAY: nano for place_, nano in enumerate(days)})
    place.spend({MIDNIGHT + 60: 2 * USD})
    assert place.told() == []
    place.now = NOON + DAY
    place.spend({place.now - 60: 1})
    tomorrow = "day|2026-11-22T00:00:00Z|"
    assert place.told() == [(tomorrow, "creep 2026-11-21", "log"), (tomorrow, "creep 2026-11-21", "team")]


@pytest.mark.parametrize(
    ("watch", "told"), [('watch = ["burn"]', ["burn"]), ('watch = ["forecast"]', ["forecast"]), ("watch = []", [])]
)
def test_the_budget_chooses(place: Place, watch: str, told: list[str]) -> None:
    """What it names is watched, and nothing else."""
    place.text = POLICY.replace('every = "day"', f'every = "day"\n{watch}')
    place.in_force.reload(asked=True)
    place.spend(minutes(60, 20 * USD // 60))
    assert sorted({step.split()[0] for _, step, channel in place.told() if channel == "log"}) == told


def test_a_rolling_step_is_left_while_nobody_calls(place: Place) -> None:
    """Told at noon, left unseen at two, told again at three: the clock noticed, although no charge came between."""
    place.text = POLICY.replace('every = "hour"', 'every = "rolling 1h"').replace('"999%" =', '"80%" =')
    place.in_force.reload(asked=True)
    place.spend({NOON: USD}, budget="hour")
    key, policy = "hour|rolling 1h|", place.in_force.current.policy
    assert policy is not None

    def look(db: Database, at: int) -> int:
        balances.ensure(db, key, policy)
        return alertbook.raise_reached(db, [key], policy=policy, now_ns=at)

    def steps() -> list[str]:
        return [step for balance, step, _ in place.told() if balance == key]

    place.bookkeeper.raise_noticed(look).result()
    assert steps() == ["80%"]
    place.now = NOON + 2 * HOUR
    assert steps() == ["80%"]
    place.now = NOON + 3 * HOUR
    place.spend({place.now: USD}, budget="hour")
    place.bookkeeper.raise_noticed(look).result()
    assert steps() == ["80%", "80%, time 2"]


def test_windows_of_an_hour_are_not_watched(place: Place) -> None:
    """They are over before a trend shows; nor are balances whose budget the policy has no longer."""
    place.spend(minutes(30, USD, until=NOON + 1800), budget="hour")
    place.now = NOON + 1800
    place.text = POLICY.replace('name = "day"', 'name = "other"')
    place.in_force.reload(asked=True)
    assert place.told() == []


def test_no_policy(place: Place) -> None:
    """Then nobody wants to be told."""
    place.spend(minutes(60, 20 * USD // 60))
    place.in_force.current = Rules(None, shipped_book(), Snapshot("id"))
    assert place.told() == []


DIGEST = POLICY + '[digest]\nchannel = "team"\nday = "saturday"\nhour = 12\n'


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (NOON - 1, ["week to 2026-11-14T00:00Z"]),
        (NOON, ["week to 2026-11-21T00:00Z"]),
        (NOON + 6 * DAY, ["week to 2026-11-21T00:00Z"]),
    ],
)
def test_the_week_is_told_once(place: Place, now: int, told: list[str]) -> None:
    """From its day and hour on, also by an agent that was away then; never twice."""
    place.text, place.now = DIGEST, now
    place.in_force.reload(asked=True)
    charges = [
        Settled(Charge(f"a{day}", USD, Usage(), Basis.USAGE, "m", "m", "r", at_ns=(MIDNIGHT - day * DAY) * SECOND))
        for day in range(1, 20)
    ]
    place.ledger.book(charges, holder="h", policy=None).result()
    for _ in range(3):
        assert [(balance, step, channel) for balance, step, channel in place.told() if balance == "digest"] == [
            ("digest", step, "team") for step in told
        ]
        place.now += 1 if now >= NOON else 0


def test_an_empty_week_is_not_told(place: Place) -> None:
    """Nor is anything where there is no [digest]."""
    place.text = DIGEST
    place.in_force.reload(asked=True)
    assert place.told() == []


def test_a_ledger_that_takes_nothing(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Is looked at again the next time; the log says so, and no more happens."""
    place.spend(minutes(60, 4 * USD // 60))
    place.ledger.close()
    place.watch.look()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["what was noticed waits"]


def test_what_is_kept_of_a_fire(place: Place) -> None:
    """The balance as it stood, the rule's figures, and that a policy which observes changes nothing."""
    place.text = POLICY.replace('"enforce"', '"observe"')
    place.in_force.reload(asked=True)
    place.spend(minutes(60, 3_600_000_000 // 60))
    place.told()
    with place.ledger.reading() as db:
        (payload,) = [alert.payload for alert in outbox.recent(db, 0) if alert.channel == "log"]
    assert (payload["kind"], payload["spent"], payload["limit"], payload["acts"]) == (
        "notice",
        3_600_000_000,
        24 * USD,
        False,
    )
    assert payload["figures"] == {"rate": pytest.approx(3.6), "threshold": 3.0, "seconds": 3600, "spent": 3_600_000_000}
    assert (payload["window_start"], payload["window_end"]) == ("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z")
