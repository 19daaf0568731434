"""Leases: money moves between four places and never comes from nowhere."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bursar.instrumentation import leases as module
from bursar.instrumentation.leases import REST_SECONDS, Hold, Leases
from bursar.policies.balancekey import Amounts


def usd(amount: int) -> Amounts:
    return Amounts(usd=amount)


def lent(**granted: int) -> Leases:
    leases = Leases()
    leases.merge(granted)
    return leases


def test_nothing_is_free_before_a_grant() -> None:
    """And nothing can be held; a hold of nothing always can."""
    leases = Leases()
    assert leases.free("a") == 0
    assert not leases.hold("1", ("a",), usd(1))
    assert leases.hold("1", ("a",), usd(0))


def test_a_hold_is_made_up_to_the_last_nano_dollar() -> None:
    """And not one beyond."""
    leases = lent(a=100)
    assert not leases.hold("1", ("a",), usd(101))
    assert leases.hold("1", ("a",), usd(100))
    assert (leases.free("a"), leases.held("1"), leases.held("2")) == (0, True, False)


def test_all_balances_hold_or_none() -> None:
    """The one that could is left as it was."""
    leases = lent(a=100, b=50)
    assert not leases.hold("1", ("a", "b"), usd(60))
    assert (leases.free("a"), leases.free("b"), leases.held("1")) == (100, 50, False)
    assert leases.hold("1", ("a", "b"), usd(50))
    assert (leases.free("a"), leases.free("b")) == (50, 0)


def test_holding_again_takes_the_place_of_the_hold_before() -> None:
    """A plan that changed holds once, and one that no longer fits holds nothing."""
    leases = lent(a=100)
    assert leases.hold("1", ("a",), usd(60))
    assert leases.hold("1", ("a",), usd(90))
    assert leases.free("a") == 10
    assert not leases.hold("1", ("a",), usd(101))
    assert (leases.free("a"), leases.held("1")) == (100, False)


@pytest.mark.parametrize(("cost", "free"), [(0, 100), (30, 70), (60, 40), (None, 40), (75, 25), (130, -30)])
def test_a_settled_hold_becomes_its_charge(cost: int | None, free: int) -> None:
    """Of 60 held: the rest is free again; an unknown cost is all of it; an overrun leaves less than nothing."""
    leases = lent(a=100)
    leases.hold("1", ("a",), usd(60))
    leases.settle("1", cost)
    assert (leases.free("a"), leases.held("1")) == (free, False)
    leases.settle("1", 50)
    assert leases.free("a") == free


def test_an_overrun_is_made_good_by_the_agent_s_next_word() -> None:
    """Which grants what was spent by the fact."""
    leases = lent(a=100)
    leases.hold("1", ("a",), usd(100))
    leases.settle("1", 130)
    assert leases.give_back() == {}
    leases.merge({"a": 130})
    assert leases.free("a") == 0


def test_a_released_hold_is_free_again_once() -> None:
    """Whatever comes after it."""
    leases = lent(a=100)
    leases.hold("1", ("a",), usd(60))
    for _ in range(2):
        leases.release("1")
    leases.settle("1", 10)
    assert leases.free("a") == 100


def test_grants_are_merged_by_the_largest() -> None:
    """Lost, doubled and late words change nothing."""
    leases = lent(a=100)
    for word in ({"a": 100}, {"a": 40}, {}, {"b": 7}):
        leases.merge(word)
    assert leases.granted() == {"a": 100, "b": 7}
    leases.merge({"a": 101})
    assert leases.free("a") == 101


def test_a_grant_and_its_hold_are_one_step() -> None:
    """Nothing of it is free in between, so nothing of it is given back."""
    leases = Leases()
    leases.merge({"a": 100, "b": 100}, {"1": Hold(("a", "b"), usd(100))})
    assert leases.held("1")
    assert leases.give_back() == {}
    leases.merge({"a": 100}, {"2": Hold(("a",), usd(1))})
    assert not leases.held("2")


def test_what_is_free_goes_back_whole_and_is_repeated() -> None:
    """The sum of all that ever went back, so that a lost message needs no care."""
    leases = lent(a=100, b=20)
    leases.hold("1", ("a",), usd(60))
    assert leases.give_back() == {"a": 40, "b": 20}
    assert leases.give_back() == {"a": 40, "b": 20}
    leases.settle("1", 10)
    assert leases.give_back() == {"a": 90, "b": 20}
    assert not leases.hold("2", ("a",), usd(1))


class Conservation(RuleBasedStateMachine):
    """Any order of grants, holds, settlements and returns, against a plain account of where each amount is."""

    names = st.sampled_from(["a", "b", "c"])
    attempts = st.integers(0, 5).map(str)
    amounts = st.integers(0, 100)

    def __init__(self) -> None:
        super().__init__()
        self.leases = Leases()
        self.granted: dict[str, int] = {}
        self.returned: dict[str, int] = {}
        self.charged: dict[str, int] = {}
        self.holds: dict[str, tuple[tuple[str, ...], int]] = {}

    def free(self, name: str) -> int:
        held = sum(amount for balances, amount in self.holds.values() if name in balances)
        return self.granted.get(name, 0) - self.returned.get(name, 0) - self.charged.get(name, 0) - held

    @rule(name=names, amount=amounts)
    def grant(self, name: str, amount: int) -> None:
        self.granted[name] = self.granted.get(name, 0) + amount
        self.leases.merge({name: self.granted[name]})

    @rule(name=names, late=amounts)
    def hear_an_old_word(self, name: str, late: int) -> None:
        if name in self.granted:
            self.leases.merge({name: max(self.granted[name] - late, 0)})

    @rule(attempt=attempts, balances=st.sets(names, min_size=1).map(lambda names: tuple(sorted(names))), amount=amounts)
    def hold(self, attempt: str, balances: tuple[str, ...], amount: int) -> None:
        self.holds.pop(attempt, None)
        fits = all(self.free(name) >= amount for name in balances)
        assert self.leases.hold(attempt, balances, usd(amount)) is fits
        if fits:
            self.holds[attempt] = (balances, amount)

    @rule(attempt=attempts, cost=st.none() | amounts)
    def settle(self, attempt: str, cost: int | None) -> None:
        self.leases.settle(attempt, cost)
        balances, amount = self.holds.pop(attempt, ((), 0))
        for name in balances:
            self.charged[name] = self.charged.get(name, 0) + (amount if cost is None else cost)

    @rule(attempt=attempts)
    def release(self, attempt: str) -> None:
        self.leases.release(attempt)
        self.holds.pop(attempt, None)

    @rule()
    def give_back(self) -> None:
        for name in self.granted:
            if self.free(name) > 0:
                self.returned[name] = self.returned.get(name, 0) + self.free(name)
        assert self.leases.give_back() == self.returned

    @invariant()
    def every_balance_adds_up(self) -> None:
        assert self.leases.granted() == {name: amount for name, amount in self.granted.items() if amount}
        for name in ("a", "b", "c"):
            assert self.leases.free(name) == self.free(name)


Conservation.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestConservation = Conservation.TestCase


def test_eight_threads_never_hold_more_than_was_lent() -> None:
    """Money that is back at the end adds up to what was lent."""
    leases = lent(a=1_000, b=1_500)
    spent = [0] * 8
    together = threading.Barrier(8)

    def work(number: int) -> None:
        source = random.Random(number)
        together.wait()
        for turn in range(300):
            attempt, amount = f"{number}-{turn}", source.randint(1, 300)
            if leases.hold(attempt, ("a", "b"), usd(amount)):
                assert leases.free("a") >= 0
                cost = source.randint(0, 2) if source.random() < 0.5 else 0
                leases.settle(attempt, cost)
                spent[number] += cost

    run_all([partial(work, number) for number in range(8)])
    assert leases.free("a") == 1_000 - sum(spent)
    assert leases.free("b") == 1_500 - sum(spent)
    assert sum(spent) > 0


def run_all(jobs: list[Callable[[], None]]) -> None:
    errors: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def kept(clock: list[float]) -> Leases:
    """A process that may keep 100 of balance `a`."""
    leases = Leases(lambda: clock[0])
    leases.merge({"a": 100, "b": 50})
    leases.let_keep(("a", "b"), ("a",))
    return leases


def test_what_may_be_kept_stays() -> None:
    """The next call needs no agent; of the other balance all goes back at once."""
    leases = kept([0.0])
    assert leases.give_back() == {"b": 50}
    assert (leases.free("a"), leases.free("b")) == (100, 0)


def test_what_nobody_needed_for_ten_seconds_goes_back() -> None:
    """Its least free amount in that time: what the busiest moment left over."""
    clock = [0.0]
    leases = kept(clock)
    leases.hold("1", ("a",), usd(70))
    leases.release("1")
    clock[0] = 9.9
    assert "a" not in leases.give_back()
    clock[0] = 10.0
    assert leases.give_back()["a"] == 30
    assert leases.free("a") == 70
    clock[0] = 20.0
    assert leases.give_back()["a"] == 100, "nobody needed the rest, either"


def test_idle_money_in_use_just_now_stays() -> None:
    """A hold that is out, or a charge above what was idle, leaves less to give."""
    clock = [0.0]
    leases = kept(clock)
    clock[0] = 10.0
    leases.hold("1", ("a",), usd(95))
    assert leases.give_back()["a"] == 5
    assert leases.free("a") == 0


def test_a_recall_is_told_once() -> None:
    """Kept until now and no more: somebody else waits for it. Where nothing is free there is nothing to hurry for."""
    leases = kept([0.0])
    assert leases.let_keep(("a",), ()) is True
    assert leases.let_keep(("a",), ()) is False
    assert leases.give_back()["a"] == 100
    leases.let_keep(("b",), ("b",))
    leases.give_back(everything=True)
    assert leases.let_keep(("b",), ()) is False


def test_a_balance_that_was_not_told_of_stays_as_it_was() -> None:
    """An answer names some balances only."""
    leases = kept([0.0])
    assert leases.let_keep(("b",), ()) is False
    assert "a" not in leases.give_back()


def test_at_the_end_everything_goes_back() -> None:
    """Also what might have been kept."""
    assert kept([0.0]).give_back(everything=True) == {"a": 100, "b": 50}


ALL_KINDS = ("m|w|", "m|w||expected", "t|w||tokens", "c|w||calls")
"""A balance of each kind, in the order of `Amounts` but for the second currency."""


def of_all_kinds() -> Leases:
    leases = Leases()
    leases.merge({"m|w|": 1_000, "m|w||expected": 500, "t|w||tokens": 3_000, "c|w||calls": 5})
    return leases


def test_each_balance_holds_what_it_counts() -> None:
    """One attempt: its bound, its expectation, its tokens, and one call."""
    leases = of_all_kinds()
    assert leases.hold("1", ALL_KINDS, Amounts(usd=300, tokens=2_000, expected=40))
    assert [leases.free(key) for key in ALL_KINDS] == [700, 460, 1_000, 4]
    leases.release("1")
    assert [leases.free(key) for key in ALL_KINDS] == [1_000, 500, 3_000, 5]


@pytest.mark.parametrize(
    "amounts", [Amounts(1_001, 1, 1, 1), Amounts(1, 3_001, 1, 1), Amounts(1, 1, 6, 1), Amounts(501, 1, 1, 501)]
)
def test_a_hold_needs_every_kind(amounts: Amounts) -> None:
    """The one that is short stops all."""
    leases = of_all_kinds()
    assert not leases.hold("1", ALL_KINDS, amounts)
    assert [leases.free(key) for key in ALL_KINDS] == [1_000, 500, 3_000, 5]


@pytest.mark.parametrize(
    ("cost", "tokens", "free"),
    [
        (100, 500, [900, 400, 2_500, 4]),
        (None, None, [700, 460, 1_000, 4]),  # as held: the bound, and by expectation the expectation
        (None, 500, [700, 460, 2_500, 4]),
        (100, None, [900, 400, 1_000, 4]),
        (600, 500, [400, -100, 2_500, 4]),  # above the expectation: nothing is admitted until it is refilled
    ],
)
def test_a_settled_hold_charges_every_kind(cost: int | None, tokens: int | None, free: list[int]) -> None:
    """Money by its cost in both currencies, tokens by its tokens, and a call is a call."""
    leases = of_all_kinds()
    leases.hold("1", ALL_KINDS, Amounts(usd=300, tokens=2_000, expected=40))
    leases.settle("1", cost, tokens)
    assert [leases.free(key) for key in ALL_KINDS] == free


def test_an_expectation_below_zero_admits_nothing_until_it_is_refilled() -> None:
    """Not even a call that is expected to cost nothing."""
    leases = of_all_kinds()
    leases.hold("1", ALL_KINDS, Amounts(usd=600, tokens=1, expected=40))
    leases.settle("1", 600, 1)
    assert not leases.hold("2", ALL_KINDS, Amounts(usd=10, tokens=1, expected=0))
    leases.merge({"m|w||expected": 600})
    assert leases.hold("2", ALL_KINDS, Amounts(usd=10, tokens=1, expected=0))


# What is set aside for an outage

ASIDE = "b|w||reserve"


def test_what_is_set_aside_stays_up_to_what_the_agent_says() -> None:
    """More than that goes back; it is kept for as long as it is not called back, whether it is used or not."""
    leases = Leases(lambda: 0.0)
    leases.set_aside({ASIDE: 40})
    leases.merge({ASIDE: 100})
    assert (leases.overfull([ASIDE]), leases.idles) == (True, True)
    assert leases.give_back() == {ASIDE: 60}
    assert (leases.free(ASIDE), leases.overfull([ASIDE])) == (40, False)
    assert leases.give_back() == {ASIDE: 60}


def test_a_recall_takes_what_is_set_aside_and_what_may_stay() -> None:
    """Of the balances that are wanted, and of no other; what an attempt holds is not free."""
    leases = Leases(lambda: 0.0)
    leases.merge({"b|w|": 50, "c|w|": 50, ASIDE: 40})
    leases.let_keep(["b|w|", "c|w|"], ["b|w|", "c|w|"])
    leases.set_aside({ASIDE: 40})
    assert leases.hold("h-1", ("b|w|",), Amounts(20, 0, 1, 20))
    assert leases.recall(["b|w|"])
    assert leases.give_back() == {"b|w|": 30, ASIDE: 40}
    assert not leases.recall(["b|w|"])
    assert (leases.in_flight(["b|w|"]), leases.in_flight(["c|w|"]), leases.idles) == (True, False, True)


def test_what_is_set_aside_does_not_make_a_process_hurry() -> None:
    """Nobody waits for it, unless an attempt has held some of it."""
    leases = Leases(lambda: 0.0)
    leases.set_aside({ASIDE: 40})
    leases.merge({ASIDE: 40})
    assert not leases.short
    assert leases.hold("h-1", (ASIDE,), Amounts(20, 0, 1, 20))
    assert leases.short


class Settling:
    """A process of many balances, and an agent that books at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.leases = Leases(lambda: self.now)
        self.agent: dict[str, tuple[int, int, int]] = {}
        """Granted, returned and charged, by balance."""

    def call(self, key: str, cost: int, most: int = 10) -> bool:
        """One call on a balance: lent, held, charged and the rest given back; whether the money was to be had."""
        granted, returned, charged = self.agent.get(key, (0, 0, 0))
        self.agent[key] = (granted + most, returned, charged)
        self.leases.merge({key: granted + most}, {}, {key: (returned, charged)})
        if not self.leases.hold(key, (key,), usd(most)):
            return False
        self.leases.settle(key, cost)
        self.agent[key] = (granted + most, self.leases.give_back().get(key, 0), charged + cost)
        return True

    def agree(self, *keys: str) -> list[str]:
        """The agent's word on these balances; what is forgotten by it."""
        told = {key: self.agent[key] for key in keys}
        self.leases.agree({key: n for key, (n, _, _) in told.items()}, {key: (r, c) for key, (_, r, c) in told.items()})
        return self.leases.forget()


def test_balances_that_are_over_are_forgotten_beyond_a_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here beyond three: once both sides have agreed for a minute; one that money is of, or that is held, stays."""
    monkeypatch.setattr(module, "KEPT", 3)
    scene = Settling()
    for key in ("a", "b", "c"):
        assert scene.call(key, 4)
    assert (scene.leases.forgets, scene.leases.unagreed(9)) == (False, {"a": 6, "b": 6, "c": 6})
    scene.leases.merge({"d": 5}, {}, {})
    assert scene.leases.forgets
    assert scene.leases.hold("free", ("b",), usd(0))
    assert scene.agree("a", "b") == []
    assert scene.leases.unagreed(9) == {"c": 6}
    scene.now += REST_SECONDS
    assert scene.leases.forget() == ["a"]
    assert scene.leases.granted() == {"b": 10, "c": 10, "d": 5}
    scene.leases.settle("free", 0)


def test_one_that_comes_back_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than what is lent anew; without the agent's word of what was before, nothing at all."""
    monkeypatch.setattr(module, "KEPT", 0)
    scene = Settling()
    scene.call("a", 4)
    scene.now += REST_SECONDS
    assert (scene.agree("a"), scene.leases.forgets) == ([], True)
    scene.now += REST_SECONDS
    assert scene.agree("a") == ["a"]
    scene.leases.merge({"a": 17}, {}, None)
    assert scene.leases.free("a") == 0
    scene.leases.merge({"a": 17}, {}, {"a": (6, 4)})
    assert scene.leases.free("a") == 7
    assert scene.leases.give_back() == {"a": 13}


def test_what_both_do_not_agree_on_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A charge that is not booked yet, money the agent still counts as out, or one that moved since."""
    monkeypatch.setattr(module, "KEPT", 0)
    scene = Settling()
    for key in ("a", "b", "c"):
        scene.call(key, 4)
    scene.agent["a"] = (10, 6, 0)
    scene.agent["b"] = (20, 6, 4)
    assert scene.agree("a", "b", "c") == []
    scene.call("c", 10)
    scene.now += REST_SECONDS
    assert scene.leases.forget() == []


def test_two_thousand_conversations_leave_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, of which each third comes back: money is never made, and memory has an end."""
    monkeypatch.setattr(module, "KEPT", 100)
    scene, most = Settling(), 0
    for number in range(2_000):
        key = f"c{number if number % 3 else number // 2}"
        assert scene.call(key, number % 11)
        assert scene.leases.free(key) == 0
        scene.now += 1.0
        scene.agree(*scene.leases.unagreed(50))
        most = max(most, len(scene.leases.granted()))
    assert most <= 100 + REST_SECONDS + 1
    assert all(granted == returned + charged for granted, returned, charged in scene.agent.values())
