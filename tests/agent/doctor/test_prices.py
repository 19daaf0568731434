"""Claims about prices, and models that will be gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.agent.asking import NOW_NS, small_ledger
from tests.agent.doctor.lookedat import FAIL, OK, TODAY, WARN, found, tell

from bursar.agent.doctor import prices
from bursar.agent.doctor.finding import State
from bursar.agent.doctor.told import told_policy, told_snapshot
from bursar.policies.prices import PriceBook, parse_book, shipped_book
from bursar.policies.protocol import Snapshot


def test_a_price_file_with_a_mistake(tmp_path: Path) -> None:
    """It is told, and nothing is said of ladders."""
    (tmp_path / "prices.toml").write_text("model = 3")
    seen = found(prices.prices, tmp_path, {"BURSAR_PRICES": str(tmp_path / "prices.toml")})
    assert seen["prices"].state is FAIL
    assert "ladders" not in seen


@pytest.mark.parametrize(("days", "state"), [(0, OK), (60, OK), (61, WARN)])
def test_the_age_of_the_prices(days: int, state: State) -> None:
    """Two months without a new price are unusual."""
    book = replace(shipped_book(), as_of=TODAY - timedelta(days))
    seen = prices.judge_book(book, TODAY)
    assert seen.state is state
    assert f"({days} days)" in seen.said
    assert book.source in seen.said


def test_prices_without_a_date() -> None:
    """Nobody can say how old they are."""
    assert prices.judge_book(replace(shipped_book(), as_of=None), TODAY).state is WARN


LADDER = 'version = 1\nmode = "observe"\nladder = ["claude-old", "claude-haiku-5-5"]\n'


def old_until(end: date) -> PriceBook:
    row = "{ input = 1, cache_read = 1, cache_write_5m = 1, cache_write_1h = 1, output = 1 }"
    text = f'[[model]]\nid = "claude-old"\nretirement = {end}\nprices = [{row}]\n'
    return shipped_book().extended(parse_book(text, source="test"))


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [
        (-1, FAIL, "claude-old was retired on 2026-11-21"),
        (0, FAIL, "claude-old was retired on 2026-11-22"),
        (1, WARN, "claude-old will be retired on 2026-11-23"),
        (60, WARN, "claude-old will be retired on 2027-01-21"),
        (61, OK, "2 models, none to be retired soon"),
    ],
)
def test_ladders_with_models_that_retire(days: int, state: State, said: str, tmp_path: Path) -> None:
    """The policy is the one that an agent told this machine last."""
    snapshot = Snapshot(id="s", policy=LADDER, file="bursar.toml")
    tell(tmp_path, snapshot)
    policy = told_policy(told_snapshot(tmp_path / "state"))
    (seen,) = prices.retiring(policy, old_until(TODAY + timedelta(days)), TODAY)
    assert (seen.state, seen.said) == (state, said)


@pytest.mark.parametrize(
    ("days", "state", "said"),
    [
        (0, FAIL, "claude-old was retired on 2026-11-22"),
        (60, WARN, "claude-old will be retired on 2027-01-21"),
        (61, OK, "2 in 7 days, none to be retired soon"),
    ],
)
def test_models_in_use_that_retire(days: int, state: State, said: str) -> None:
    """Whether or not a ladder has them."""
    (seen,) = prices.in_use(["claude-old", "claude-unknown"], old_until(TODAY + timedelta(days)), TODAY)
    assert (seen.what, seen.state, seen.said) == ("models in use", state, said)
    assert bool(seen.remedy) is (state is not OK)


def test_models_in_use_are_those_of_the_ledger(tmp_path: Path) -> None:
    """Of the last week: two models served the calls of the small ledger; a month later nothing is said."""
    small_ledger(tmp_path / "bursar.sqlite")
    ledger = {"BURSAR_DB": str(tmp_path / "bursar.sqlite")}
    now = datetime.fromtimestamp(NOW_NS // 10**9, UTC)
    assert found(prices.prices, tmp_path, ledger, now=now)["models in use"].said.startswith("2 in 7 days")
    assert "models in use" not in found(prices.prices, tmp_path, ledger, now=now + timedelta(days=30))


SHIPPED = "the shipped facts of 2026-11-22"


@pytest.mark.parametrize(
    ("models", "environ", "state", "said"),
    [
        (None, {}, OK, f"{SHIPPED}; there is no Anthropic credential here"),
        (None, {"ANTHROPIC_API_KEY": "k"}, OK, f"{SHIPPED}; the Models API was not heard of"),
        (
            '[{"id":"claude-next-6","capabilities":{"image_input":{"supported":true}}}]',
            {},
            OK,
            f"the Models API says what 1 of them accept, over {SHIPPED}",
        ),
        ("{}", {}, WARN, f"{SHIPPED}, since what the agent told cannot be read: "),
    ],
)
def test_who_says_what_models_accept(
    models: str | None, environ: dict[str, str], state: State, said: str, tmp_path: Path
) -> None:
    """As the agent last told this machine."""
    tell(tmp_path, Snapshot(id="s", models=models))
    seen = found(prices.prices, tmp_path, environ)["models"]
    assert seen.state is state
    assert seen.said.startswith(said)
