"""Guard: whether a call may leave, as what, and with whose money."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.instrumentation import guarding
from tests.instrumentation.guarding import Stage
from tests.instrumentation.pricing import BODY, BOOK, EXPECTED, LEAST, NOON, WORST

from bursar.instrumentation.admitting import POLL_SECONDS, RECALL_SECONDS
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.guard import Guard
from bursar.instrumentation.leases import Hold, Leases
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.standings import FRESH_SECONDS, VIEWS
from bursar.instrumentation.sync import Ask, lent_by
from bursar.policies.balancekey import Amounts, kind_of
from bursar.policies.changes import REMOVED
from bursar.policies.decision import Action, Reason
from bursar.policies.errors import BudgetExceeded, RefusalReason
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Answer, BalanceView, Need, Verdict

LIMIT = 10**9
DAY = "day|2026-11-22T00:00:00Z|"
BIG, MID = WORST["big"], WORST["mid"]


def policy(*budgets: str, mode: str = "enforce", top: str = "") -> str:
    return f'version = 1\nmode = "{mode}"\nladder = ["big", "mid", "small"]\n{top}\n' + "\n".join(budgets)


def budget(name: str = "day", *lines: str, at: str = '"100%" = "block"') -> str:
    """A budget of a dollar a day."""
    head = f'[[budget]]\nname = "{name}"\nlimit = "1 USD"\nevery = "day"\n'
    return head + "\n".join(lines) + f"\n[budget.at]\n{at}\n"


HARD = budget(at='"80%" = "downgrade"\n"100%" = "block"')
SOFT = budget(at='"80%" = "downgrade"')

Scripted = Callable[[Ask], Answer | None]


class Scene:
    """A guard with an agent that answers by script, on a clock that only sleeping moves."""

    def __init__(
        self, text: str | None = None, *, carried: bool = True, enforce: bool = True, without_rules: str = "open"
    ) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.asked: list[Ask] = []
        self.script: list[Scripted] = []
        self.released: list[str] = []
        self.leases = Leases()
        self.rules = self.ruled(text)
        self.guard = Guard(
            self.leases,
            lambda: self.rules,
            self if carried else None,
            enforce=enforce,
            without_rules=without_rules,
            on_release=self.released.append,
            clock=lambda: self.now,
            sleep=self.sleep,
            sleep_async=self.sleep_async,
        )

    @staticmethod
    def ruled(text: str | None) -> Rules:
        return Rules(BOOK) if text is None else Rules(BOOK, parse_policy(text, file="p.toml"), heard=True)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def ask(self, ask: Ask) -> Answer | None:
        self.asked.append(ask)
        assert self.script, "nothing more was to be asked"
        return (self.script.pop(0) if len(self.script) > 1 else self.script[0])(ask)

    def needs(self) -> list[Need | None]:
        return [ask.need for ask in self.asked]

    def view(self, key: str = DAY, **figures: int) -> None:
        """Let the guard see a balance now."""
        figures = {"limit": LIMIT, "ceiling": LIMIT, "spent": 0, "expected": 0, "lent": 0} | figures
        self.guard.standings.see([BalanceView(key, **figures)])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    # What the agent may answer. A grant is held by whoever brings it, as `Sync` does.

    def grants(self, amount: int | None = None, *, tokens: int = 0, held: bool = True, **figures: int) -> Scripted:
        def answer(ask: Ask) -> Answer:
            assert ask.need is not None
            lent = ask.need.most if amount is None else amount
            for key in ask.need.balances:
                self.view(key, **figures)
            answer = Answer(ask.need.attempt_id, Verdict.GRANTED, lent, tokens=tokens)
            amounts, before = lent_by(answer, ask.need), self.leases.granted()
            granted = {key: before.get(key, 0) + amounts[kind_of(key)] for key in ask.need.balances}
            self.leases.merge(granted, {ask.need.attempt_id: Hold(ask.need.balances, amounts)} if held else {})
            return answer

        return answer

    def says(self, verdict: Verdict, reason: str, balance: str = DAY, **figures: int) -> Scripted:
        def answer(ask: Ask) -> Answer:
            assert ask.need is not None
            self.view(balance, **figures)
            return Answer(ask.need.attempt_id, verdict, 0, reason, balance)

        return answer

    def shows(self, **figures: int) -> Scripted:
        def answer(ask: Ask) -> None:
            for key in ask.views:
                self.view(key, **figures)

        return answer

    def admit(self, attempt: str = "h-1", **changes: Any) -> Admission:
        return self.guard.admit(errand(attempt, **changes))


def asking(balances: tuple[str, ...], most: int, least: int) -> Need:
    """What a call on the big model asks for: of tokens too, whether or not a balance counts them."""
    tokens = 11_000, 11_000 if least == most else 2_024, 1_463
    return Need("h-1", balances, most, least, EXPECTED["big"], *tokens)


def errand(attempt: str = "h-1", *, at_ns: int = NOON, settled: str | None = None, **changes: Any) -> Errand:
    return Errand(attempt, "desk", {"tenant": "acme"}, {**BODY, **changes}, at_ns, None, settled)


def away(ask: Ask) -> Answer | None:
    raise Unreachable("away")


def overtaken(ask: Ask) -> Answer | None:
    return None


WAIT, REFUSED = Verdict.WAIT, Verdict.REFUSED
SEARCH = [{"type": "web_search_20260209", "name": "web_search"}]


# Without rules


@pytest.mark.parametrize("scene", [Scene(carried=False), Scene(policy(HARD), carried=False), Scene(policy())])
def test_without_an_agent_or_a_budget_a_call_leaves_as_it_is(scene: Scene) -> None:
    """Nothing is asked; its bound is known all the same, for what a crash may leave."""
    admission = scene.admit()
    assert (admission.changes, admission.leased, scene.asked) == ({}, (), [])
    assert (admission.bound_nano, admission.expected_nano) == (BIG, EXPECTED["big"])


def test_an_agent_without_a_policy_judges_nothing() -> None:
    """Heard, but with nothing to say."""
    scene = Scene()
    scene.rules = Rules(BOOK, None, heard=True)
    assert scene.admit() == Admission(
        bound_nano=BIG, expected_nano=EXPECTED["big"], bound_tokens=11_000, expected_tokens=1_463, text_bytes=936
    )
    assert scene.asked == []


def test_an_unjudged_call_that_nothing_bounds_has_no_bound() -> None:
    """A false one would be booked after a crash."""
    assert Scene(carried=False).admit(tools=SEARCH).bound_nano is None
    assert Scene(carried=False).admit(model="nobody").bound_nano is None


@pytest.mark.parametrize(
    ("without_rules", "enforce", "leaves"),
    [("open", True, True), ("open", False, True), ("closed", False, True), ("closed", True, False)],
)
def test_while_no_agent_was_ever_heard_of_the_environment_decides(
    without_rules: str, enforce: bool, leaves: bool
) -> None:
    """`BURSAR_ON_UNREACHABLE`; observing refuses nobody."""
    scene = Scene(without_rules=without_rules, enforce=enforce)
    if leaves:
        assert scene.admit().balances is None
        return
    with pytest.raises(BudgetExceeded) as caught:
        scene.admit()
    assert (caught.value.reason, caught.value.budget) == (RefusalReason.UNREACHABLE, "")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_new_guard_greets_its_agent() -> None:
    """Asking for nothing but its rules; an agent that is away is no error."""
    scene = Scene()
    scene.script = [overtaken, away]
    new = [scene.guard.is_new]
    scene.guard.greet()
    asyncio.run(scene.guard.greet_async())
    assert [(ask.need, ask.views) for ask in scene.asked] == [(None, ()), (None, ())]
    scene.rules = Rules(BOOK, None, heard=True)
    assert [*new, scene.guard.is_new, Scene(carried=False).guard.is_new] == [True, False, False]


# Soft budgets


@pytest.mark.parametrize(("spent", "model"), [(799_999_999, None), (800_000_000, "mid")])
def test_a_soft_budget_takes_its_steps_and_asks_no_money(spent: int, model: str | None) -> None:
    """It is shown its balance before it judges."""
    scene = Scene(policy(SOFT))
    scene.script = [scene.shows(spent=spent)]
    admission = scene.admit()
    assert [(ask.need, ask.views) for ask in scene.asked] == [(None, (DAY,))]
    assert admission.changes == ({} if model is None else {"model": model})
    assert (admission.balances, admission.leased) == ((DAY,), ())
    assert admission.bound_nano == (BIG if model is None else MID)


def test_a_balance_is_judged_by_for_a_second() -> None:
    """Then it is asked for again."""
    scene = Scene(policy(SOFT))
    scene.view(spent=900_000_000)
    scene.now += FRESH_SECONDS
    assert scene.admit().changes == {"model": "mid"}
    assert scene.asked == []
    scene.now += 0.001
    scene.script = [scene.shows(spent=0)]
    assert scene.admit().changes == {}
    assert len(scene.asked) == 1


def test_a_soft_budget_goes_by_what_it_saw_while_the_agent_is_away() -> None:
    """Old figures are better than none; without any the call leaves."""
    scene = Scene(policy(SOFT))
    scene.script = [away]
    assert scene.admit().changes == {}
    scene.view(spent=900_000_000)
    scene.now += 60
    assert scene.admit().changes == {"model": "mid"}


# Money from the lease


def test_a_call_inside_the_lease_asks_nobody() -> None:
    """Its bound is held; to the last nano-dollar."""
    scene = Scene(policy(HARD))
    scene.view()
    scene.leases.merge({DAY: BIG})
    admission = scene.admit()
    assert scene.asked == []
    assert (admission.leased, admission.bound_nano, admission.changes) == ((DAY,), BIG, {})
    assert (scene.leases.free(DAY), scene.leases.held("h-1")) == (0, True)


def test_a_lease_of_one_nano_dollar_less_does_not_do() -> None:
    """The agent is asked for all of it."""
    scene = Scene(policy(HARD))
    scene.view()
    scene.leases.merge({DAY: BIG - 1})
    scene.script = [scene.grants()]
    scene.admit()
    assert scene.needs() == [asking((DAY,), BIG, LEAST["big"])]


def test_stale_figures_are_not_judged_by_however_full_the_lease() -> None:
    """A step may have been reached meanwhile."""
    scene = Scene(policy(HARD))
    scene.view()
    scene.leases.merge({DAY: 10 * BIG})
    scene.now += FRESH_SECONDS + 0.001
    scene.script = [scene.grants(spent=900_000_000)]
    assert scene.admit().changes == {"model": "mid"}
    assert len(scene.asked) == 1


# Money from the agent


def test_a_grant_in_full_changes_nothing() -> None:
    """The call leaves as it was asked for, with its bound held."""
    scene = Scene(policy(HARD))
    scene.script = [scene.grants()]
    admission = scene.admit()
    assert scene.asked[0].views == (DAY,)
    assert (admission.changes, admission.leased, admission.bound_nano) == ({}, (DAY,), BIG)
    assert admission.decision is not None
    assert admission.decision.verdict.reason is Reason.WITHIN
    assert scene.released == []


@pytest.mark.parametrize(
    ("amount", "max_tokens"),
    [(BIG - 1, 9_999), (104_000_000, 5_000), (104_019_999, 5_000), (LEAST["big"], 1_024)],
)
def test_a_smaller_grant_trims_the_answer_to_what_it_pays(amount: int, max_tokens: int) -> None:
    """4,000,000 for the input, 20,000 a token of output; what was granted is the bound."""
    scene = Scene(policy(HARD))
    scene.script = [scene.grants(amount)]
    admission = scene.admit()
    assert admission.changes == {"max_tokens": max_tokens}
    assert admission.bound_nano == amount


def test_a_reserve_is_not_spent_on_output() -> None:
    """Half a dollar is held for what a search may bring, on top of the bound."""
    scene = Scene(policy(budget()))
    scene.script = [lambda ask: scene.grants(ask.need.least if ask.need else 0)(ask)]
    admission = scene.admit(tools=SEARCH)
    (need,) = scene.needs()
    assert need is not None
    assert need.most - need.least == (10_000 - 1_024) * 20_000
    assert need.least - 1_024 * 20_000 > 500_000_000
    assert admission.changes == {"max_tokens": 1_024}
    assert admission.bound_nano == need.least


def test_who_may_not_be_trimmed_asks_for_all_or_nothing() -> None:
    """`fit = "asked"`."""
    scene = Scene(policy(budget("day", 'fit = "asked"')))
    scene.script = [scene.grants()]
    scene.admit()
    assert scene.needs() == [asking((DAY,), BIG, BIG)]


def test_all_hard_budgets_lend_together() -> None:
    """One need names them; a soft one is counted against and lends nothing."""
    scene = Scene(policy(budget(), budget("per", 'per = ["tenant"]'), budget("soft", at='"50%" = "alert log"')))
    per, soft = "per|2026-11-22T00:00:00Z|tenant=acme", "soft|2026-11-22T00:00:00Z|"
    scene.script = [scene.grants()]
    admission = scene.admit()
    assert scene.needs() == [asking((DAY, per), BIG, LEAST["big"])]
    assert scene.asked[0].views == (DAY, per, soft)
    assert (admission.leased, admission.balances) == ((DAY, per), (DAY, per, soft))
    assert (scene.leases.free(DAY), scene.leases.free(per)) == (0, 0)


@pytest.mark.parametrize(
    ("at_ns", "day"), [(NOON + 43_200 * 10**9 - 1, "2026-11-22"), (NOON + 43_200 * 10**9, "2026-11-23")]
)
def test_a_call_counts_in_the_window_it_was_made_in(at_ns: int, day: str) -> None:
    """To the nanosecond before midnight."""
    scene = Scene(policy(budget()))
    scene.script = [scene.grants()]
    assert scene.admit(at_ns=at_ns).balances == (f"day|{day}T00:00:00Z|",)


# Waiting


def test_a_call_waits_for_money_in_flight() -> None:
    """Asking again every 20 ms, for the same."""
    scene = Scene(policy(HARD))
    scene.script = [scene.says(WAIT, "held"), scene.says(WAIT, "held"), overtaken, scene.grants()]
    assert scene.admit().bound_nano == BIG
    assert scene.slept == [POLL_SECONDS] * 3
    assert scene.needs() == [asking((DAY,), BIG, LEAST["big"])] * 4


def test_a_grant_that_came_too_late_is_asked_for_again() -> None:
    """An answer alone is no money: only what is held is."""
    scene = Scene(policy(HARD))
    scene.script = [scene.grants(held=False), scene.grants()]
    assert scene.admit().leased == (DAY,)
    assert len(scene.asked) == 2


@pytest.mark.parametrize(
    ("patience", "sleeps"), [(["2s"], 100), (["50ms"], 3), (["0s"], 0), (["2s", "50ms"], 3), (["50ms", "2s"], 3)]
)
def test_patience_ends_and_the_call_is_refused(patience: list[str], sleeps: int) -> None:
    """The shortest of all hard budgets; the error says when to try again."""
    names = ["day", "other"][: len(patience)]
    scene = Scene(policy(*(budget(name, f'patience = "{text}"') for name, text in zip(names, patience, strict=True))))
    scene.script = [scene.says(WAIT, "held", lent=LIMIT)]
    with pytest.raises(BudgetExceeded) as caught:
        scene.admit()
    error = caught.value
    assert (error.reason, error.balance, error.retry_after, error.held) == (RefusalReason.HELD, DAY, 2.0, LIMIT)
    assert len(scene.slept) in (sleeps, sleeps + 1)  # a hundred times 0.02 is not quite two
    assert len(scene.asked) == len(scene.slept) + 1
    assert scene.released == []


def test_an_answer_that_never_comes_is_money_held() -> None:
    """Somebody's later message overtakes ours each time."""
    scene = Scene(policy(budget("day", 'patience = "0s"')))
    scene.script = [overtaken]
    with pytest.raises(BudgetExceeded) as caught:
        scene.admit()
    assert (caught.value.reason, caught.value.balance) == (RefusalReason.HELD, DAY)


# Refusals


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("spent", RefusalReason.SPENT),
        ("lent", RefusalReason.LENT),
        ("unbounded", RefusalReason.UNBOUNDED),
        ("", RefusalReason.SPENT),
        ("a later word", RefusalReason.SPENT),
        ("within", RefusalReason.SPENT),
    ],
)
def test_a_balance_that_is_spent_refuses(word: str, reason: RefusalReason) -> None:
    """At once, with the figures that came with the answer; a reason of a later agent is not an error."""
    scene = Scene(policy(budget(), budget("other")))
    other = "other|2026-11-22T00:00:00Z|"
    scene.script = [scene.says(REFUSED, word, other, spent=LIMIT)]
    with pytest.raises(BudgetExceeded) as caught:
        scene.admit()
    error = caught.value
    assert (error.reason, error.budget, error.balance, error.spent) == (reason, "other", other, LIMIT)
    assert (error.decision_id, error.route, error.model) == ("h-1", "desk", "big")
    assert (error.retry_after, scene.slept, len(scene.asked)) == (None, [], 1)
    assert error.__suppress_context__


@pytest.mark.parametrize(
    ("lines", "top", "changes", "reason"),
    [
        (['unbounded = "refuse"'], "", {"tools": SEARCH}, RefusalReason.UNBOUNDED),
        ([], 'unknown_price = "refuse"', {"model": "nobody"}, RefusalReason.UNKNOWN_PRICE),
    ],
)
def test_what_no_money_can_lift_is_refused_without_asking(
    lines: list[str], top: str, changes: dict[str, Any], reason: RefusalReason
) -> None:
    """The policy alone says no."""
    scene = Scene(policy(budget("day", *lines), top=top))
    with pytest.raises(BudgetExceeded) as caught:
        scene.admit(**changes)
    assert (caught.value.reason, caught.value.budget, scene.asked) == (reason, "day", [])


# The agent is away


@pytest.mark.parametrize(
    ("top", "choices", "refusing"),
    [
        ("open", [None], None),
        ("closed", [None], "b0"),
        ("limited 1 USD", [None], "b0"),
        ("closed", ["open"], None),
        ("open", ["closed"], "b0"),
        ("open", [None, None], None),
        ("open", ["open", "closed"], "b1"),
        ("closed", ["open", None], "b1"),
    ],
)
def test_while_the_agent_is_away_each_budget_says_what_happens(
    top: str, choices: list[str | None], refusing: str | None
) -> None:
    """Its own word before the policy's; one that is not open refuses, and is named. `limited` is closed here."""
    lines = [[] if choice is None else [f'on_unreachable = "{choice}"'] for choice in choices]
    budgets = [budget(f"b{number}", *line) for number, line in enumerate(lines)]
    scene = Scene(policy(*budgets, top=f'on_unreachable = "{top}"'))
    scene.script = [away]
    if refusing is None:
        admission = scene.admit()
        assert (admission.leased, admission.bound_nano, admission.changes) == ((), BIG, {})
        assert len(admission.balances or ()) == len(choices)
    else:
        with pytest.raises(BudgetExceeded) as caught:
            scene.admit()
        assert (caught.value.reason, caught.value.budget) == (RefusalReason.UNREACHABLE, refusing)
    assert (len(scene.asked), scene.slept) == (1, [])


def test_a_soft_budget_that_is_closed_refuses_nobody() -> None:
    """It never does."""
    scene = Scene(policy(budget("day", 'on_unreachable = "closed"', at='"80%" = "downgrade"')))
    scene.script = [away]
    assert scene.admit().leased == ()


def test_an_agent_that_goes_away_while_a_call_waits_is_away() -> None:
    """The wait is over."""
    scene = Scene(policy(HARD, top='on_unreachable = "closed"'))
    scene.script = [scene.says(WAIT, "held"), away]
    with pytest.raises(BudgetExceeded) as caught:
        scene.admit()
    assert caught.value.reason is RefusalReason.UNREACHABLE


# Plans that change


def test_fresher_figures_change_the_plan_and_the_first_grant_is_not_leaked() -> None:
    """The answer shows that a step is reached: the call moves down, and holds the smaller bound alone."""
    scene = Scene(policy(HARD))
    scene.script = [scene.grants(spent=850_000_000)]
    admission = scene.admit()
    assert admission.changes == {"model": "mid"}
    assert (admission.leased, admission.bound_nano, admission.expected_nano) == ((DAY,), MID, EXPECTED["mid"])
    assert admission.decision is not None
    assert (admission.decision.verdict.action, admission.decision.verdict.step) == (Action.DOWNGRADE, "80%")
    assert scene.leases.free(DAY) == BIG - MID
    assert len(scene.asked) == 1


def test_a_trimmed_grant_for_another_plan_is_asked_for_anew() -> None:
    """What was granted for big is too little for all of mid: the agent is asked once more, for mid."""
    scene = Scene(policy(HARD))
    scene.script = [scene.grants(LEAST["big"], spent=850_000_000), scene.grants(LEAST["mid"], spent=850_000_000)]
    admission = scene.admit()
    assert scene.needs()[1] == replace(asking((DAY,), MID, LEAST["mid"]), expected=EXPECTED["mid"])
    assert admission.changes == {"model": "mid", "max_tokens": 1_024}
    assert admission.bound_nano == LEAST["mid"]
    assert scene.leases.free(DAY) == LEAST["big"]


def test_a_plan_that_keeps_changing_ends_with_money_held() -> None:
    """After four rounds the last one stands; never does a call leave a hard budget without its money."""
    scene = Scene(policy(HARD))

    def flips(ask: Ask) -> Answer | None:
        answer = scene.grants(spent=850_000_000 * (len(scene.asked) % 2))(ask)
        scene.now += FRESH_SECONDS + 1
        return answer

    scene.script = [flips]
    admission = scene.admit()
    assert [need.most for need in scene.needs() if need is not None] == [BIG, MID, BIG, MID]
    assert (admission.leased, admission.bound_nano, admission.changes) == ((DAY,), MID, {"model": "mid"})
    assert scene.leases.held("h-1")


def test_new_rules_are_judged_by_from_the_start() -> None:
    """They came with the answer: the old plan's money is given up, and the new budget asked."""
    scene = Scene(policy(HARD))
    renamed = "other|2026-11-22T00:00:00Z|"

    def changes(ask: Ask) -> Answer | None:
        scene.rules = scene.ruled(policy(budget("other")))
        return scene.grants()(ask)

    scene.script = [changes, scene.grants()]
    admission = scene.admit()
    assert (admission.balances, admission.leased) == ((renamed,), (renamed,))
    assert (scene.leases.free(DAY), scene.leases.free(renamed)) == (BIG, 0)


def test_a_wait_for_a_budget_that_is_gone_ends_at_once() -> None:
    """Nobody is refused by a rule that is no longer in force."""
    scene = Scene(policy(HARD))

    def changes(ask: Ask) -> Answer | None:
        scene.rules = scene.ruled(policy())
        return scene.says(WAIT, "no_balance")(ask)

    scene.script = [changes]
    assert (scene.admit().balances, scene.slept) == ((), [])


def test_rules_that_change_without_end_are_an_agent_out_of_its_mind() -> None:
    """After four rounds the call is refused, and all money free."""
    scene = Scene(policy(HARD))

    def changes(ask: Ask) -> Answer | None:
        scene.rules = scene.ruled(policy(HARD))
        answer = scene.grants()(ask)
        scene.now += FRESH_SECONDS + 1
        return answer

    scene.script = [changes]
    with pytest.raises(BudgetExceeded) as caught:
        scene.admit()
    assert caught.value.reason is RefusalReason.UNREACHABLE
    assert len(scene.asked) == 4
    assert not scene.leases.held("h-1")


def test_a_refusal_after_a_grant_tells_the_agent() -> None:
    """Or it would expect the call for ever; a refusal without one has nothing to tell."""
    scene = Scene(policy(HARD))

    def changes(ask: Ask) -> Answer | None:
        scene.rules = scene.ruled(policy(budget("day", 'unbounded = "refuse"')))
        return scene.grants()(ask)

    scene.script = [changes]
    with pytest.raises(BudgetExceeded):
        scene.admit(tools=SEARCH)
    assert (scene.released, scene.leases.held("h-1")) == (["h-1"], False)


def test_a_retry_keeps_its_call_s_plan() -> None:
    """Though the balance would allow the model asked for; it counts where the call counted, and says why it moved."""
    scene = Scene(policy(budget("day", 'match = { model = "big" }', at='"80%" = "downgrade"\n"100%" = "block"')))
    scene.view()
    scene.leases.merge({DAY: 2 * BIG})
    admission = scene.admit(settled="mid")
    assert admission.changes == {"model": "mid"}
    assert (admission.balances, admission.leased, admission.bound_nano) == ((DAY,), (DAY,), MID)
    assert admission.decision is not None
    assert (admission.decision.verdict.action, admission.decision.verdict.reason) == (Action.DOWNGRADE, Reason.STEP)
    unmoved = scene.admit("h-2", settled="big")
    assert unmoved.decision is not None
    assert (unmoved.changes, unmoved.decision.verdict.action) == ({}, Action.GO)


LOSSY = """[[route]]
name = "desk"
ladder = ["claude-opus-4-6", "claude-haiku-4-5"]
lossy = true
"""
ASKED: dict[str, Any] = {
    "model": "claude-opus-4-6",
    "max_tokens": 100_000,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "max"},
}


def real(*steps: str) -> Scene:
    """The models of the shipped book on a route that may lose something, a soft budget, and 0.9 USD of 1 spent."""
    text = policy(LOSSY, budget(at="\n".join(steps)))
    scene = Scene()
    scene.rules = Rules(shipped_book(), parse_policy(text, file="p.toml"), heard=True)
    scene.view(spent=9 * 10**8)
    return scene


def told(admission: Admission) -> list[tuple[str, str, bool]]:
    assert admission.decision is not None
    return [(note.parameter, note.why.value, note.lossy) for note in admission.decision.changes]


def test_a_request_is_changed_to_fit_the_model_it_moves_to() -> None:
    """Each change in the decision; a retry is changed alike, whatever the balance says by then."""
    scene = real('"80%" = "downgrade"')
    moved = scene.guard.admit(replace(errand(**ASKED), betas="interleaved-thinking-2025-05-14"))
    assert moved.changes == {
        "model": "claude-haiku-4-5",
        "max_tokens": 64_000,
        "thinking": {"type": "enabled", "budget_tokens": 32_000},
        "output_config": REMOVED,
    }
    assert moved.dropped_betas == ("interleaved-thinking-2025-05-14",)
    assert told(moved) == [
        ("max_tokens", "ceiling", False),
        ("thinking", "form", False),
        ("output_config.effort", "unsupported", True),
        ("betas", "unsupported", True),
    ]
    assert moved.decision is not None
    scene.view(spent=0)
    settled = replace(errand("h-2", **ASKED, settled="claude-haiku-4-5"), settled_plan=moved.decision.candidate.plan)
    again = scene.guard.admit(settled)
    assert (again.changes, again.dropped_betas, told(again)) == (moved.changes, moved.dropped_betas, told(moved))


def test_effort_is_lowered_on_the_model_asked_for() -> None:
    """And stays lowered for a retry, which says so."""
    scene = real('"80%" = "effort"')
    lowered = scene.admit(**ASKED)
    assert lowered.changes == {"output_config": {"effort": "high"}}
    assert told(lowered) == [("output_config.effort", "step", True)]
    assert lowered.decision is not None
    assert (lowered.decision.verdict.action, lowered.decision.verdict.reason) == (Action.EFFORT, Reason.STEP)
    scene.view(spent=0)
    plain = scene.admit("h-2", **ASKED)
    assert (plain.changes, told(plain)) == ({}, [])
    settled = replace(errand("h-3", **ASKED, settled="claude-opus-4-6"), settled_plan=lowered.decision.candidate.plan)
    again = scene.guard.admit(settled)
    assert again.decision is not None
    assert (again.changes, again.decision.verdict.action) == (lowered.changes, Action.EFFORT)


def test_a_trimmed_answer_is_a_change_that_no_retry_keeps() -> None:
    """The money of the next attempt may bound more; and a trimmed call is not one of less effort."""
    scene = Scene(policy(HARD))
    scene.script = [scene.grants(104_000_000)]
    admission = scene.admit()
    assert told(admission) == [("max_tokens", "fit", False)]
    assert admission.decision is not None
    assert admission.decision.candidate.plan is None
    assert admission.decision.verdict.action is Action.GO


# Observing


@pytest.mark.parametrize("how", ["environment", "policy", "budget"])
def test_observing_changes_nothing_and_says_what_it_would_have_done(how: str) -> None:
    """By `BURSAR_ENFORCE=0`, by the policy's mode, or by the budget's own."""
    lines = ['mode = "observe"'] if how == "budget" else []
    steps = budget("day", *lines, at='"80%" = "downgrade"\n"100%" = "block"')
    text = policy(steps, mode="observe" if how == "policy" else "enforce")
    scene = Scene(text, enforce=how != "environment")
    scene.script = [scene.shows(spent=LIMIT)]
    admission = scene.admit()
    assert (admission.changes, admission.leased, admission.balances) == ({}, (), (DAY,))
    assert admission.bound_nano == BIG
    assert admission.decision is not None
    assert admission.decision.observed is not None
    assert (admission.decision.observed.action, admission.decision.observed.reason) == (Action.BLOCK, Reason.SPENT)
    scene.now += 60
    scene.script = [away]
    assert scene.admit().changes == {}


# The async twin


def play(scene: Scene, how: str, **changes: Any) -> Admission:
    if how == "sync":
        return scene.admit(**changes)
    return asyncio.run(scene.guard.admit_async(errand(**changes)))


@pytest.mark.parametrize("how", ["sync", "async"])
def test_both_ways_of_admitting_are_one(how: str) -> None:
    """The same questions, waits, holds and refusals."""
    scene = Scene(policy(HARD))
    scene.script = [
        scene.says(WAIT, "held"),
        scene.grants(104_000_000, spent=850_000_000),
    ]
    admission = play(scene, how)
    assert admission.changes == {"model": "mid"}
    assert scene.slept == [POLL_SECONDS]
    assert [need.most for need in scene.needs() if need is not None] == [BIG, BIG]
    scene.now += 60
    scene.script = [scene.says(REFUSED, "spent")]
    with pytest.raises(BudgetExceeded) as caught:
        play(scene, how)
    assert caught.value.__suppress_context__


def test_the_event_loop_runs_while_the_agent_is_asked() -> None:
    """The answer here waits for something that only the loop can do."""
    scene = Scene(policy(HARD))
    done = threading.Event()

    def waits(ask: Ask) -> Answer | None:
        assert done.wait(5)
        return scene.grants()(ask)

    scene.script = [waits]

    async def both() -> Admission:
        admitting = asyncio.create_task(scene.guard.admit_async(errand()))
        while not scene.asked:
            await asyncio.sleep(0)
        done.set()
        return await admitting

    assert asyncio.run(both()).bound_nano == BIG


def test_a_task_cancelled_while_it_waits_keeps_no_money() -> None:
    """The grant that was on its way is free again, and the agent is told."""
    scene = Scene(policy(HARD))
    scene.script = [scene.grants(held=False)]
    asleep = asyncio.Event()

    async def forever(seconds: float) -> None:
        asleep.set()
        scene.leases.hold("h-1", (DAY,), Amounts(usd=1))
        await asyncio.Event().wait()

    scene.guard._sleep_async = forever  # pyright: ignore[reportPrivateUsage]

    async def cancelled() -> None:
        admitting = asyncio.create_task(scene.guard.admit_async(errand()))
        await asleep.wait()
        admitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await admitting

    asyncio.run(cancelled())
    assert (scene.leases.held("h-1"), scene.leases.free(DAY), scene.released) == (False, BIG, ["h-1"])


def test_balances_seen_are_forgotten_when_they_are_too_many() -> None:
    """The stale ones first: a call that meets one asks again."""
    scene = Scene(policy(SOFT))
    scene.view(spent=900_000_000)
    scene.now += FRESH_SECONDS + 1
    for number in range(VIEWS):
        scene.view(f"other|{number}|")
    scene.script = [scene.shows()]
    scene.admit()
    assert len(scene.asked) == 1
    assert len(scene.guard.standings._views) == VIEWS + 1  # pyright: ignore[reportPrivateUsage]


def test_a_request_without_a_model_stays_without() -> None:
    """The API is to refuse it, in its own words: nothing is put in its place."""
    scene = Scene()
    scene.view()
    scene.script = [scene.grants()]
    body = {key: value for key, value in BODY.items() if key != "model"}
    assert scene.guard.admit(Errand("h-1", "desk", {"tenant": "acme"}, body, NOON)).changes == {}


# Limits in tokens and calls


IN_TOKENS = budget("tokens").replace("1 USD", "1M tokens")
IN_CALLS = budget("calls").replace("1 USD", "5 calls")
T, C = "tokens|2026-11-22T00:00:00Z||tokens", "calls|2026-11-22T00:00:00Z||calls"


def test_a_limit_in_tokens_is_asked_for_tokens() -> None:
    """1,000 of input at most and 10,000 of output; of output no fewer than 1,024."""
    scene = Scene(policy(IN_TOKENS))
    scene.script = [scene.grants(tokens=11_000)]
    admission = scene.admit()
    assert scene.needs() == [asking((T,), BIG, LEAST["big"])]
    assert (admission.changes, admission.leased, admission.bound_tokens) == ({}, (T,), 11_000)
    assert scene.leases.free(T) == 0


@pytest.mark.parametrize(("tokens", "max_tokens"), [(10_999, 9_999), (6_000, 5_000), (2_024, 1_024)])
def test_fewer_tokens_trim_the_answer(tokens: int, max_tokens: int) -> None:
    """What is left after the input's bound."""
    scene = Scene(policy(IN_TOKENS))
    scene.script = [scene.grants(tokens=tokens)]
    admission = scene.admit()
    assert (admission.changes, admission.bound_tokens) == ({"max_tokens": max_tokens}, tokens)
    assert admission.expected_tokens == min(1_463, tokens)


@pytest.mark.parametrize(
    ("amount", "tokens", "max_tokens"), [(104_000_000, 3_000, 2_000), (64_000_000, 9_000, 3_000), (BIG, 3_000, 2_000)]
)
def test_of_money_and_tokens_the_scarcer_trims(amount: int, tokens: int, max_tokens: int) -> None:
    """4,000,000 nano-dollars for the input and 20,000 a token; 1,000 tokens for the input."""
    scene = Scene(policy(budget(), IN_TOKENS))
    scene.script = [scene.grants(amount, tokens=tokens)]
    assert scene.admit().changes == {"max_tokens": max_tokens}


def test_an_earlier_agent_says_nothing_of_tokens() -> None:
    """Where no balance counts them none are missed, and nothing is trimmed."""
    scene = Scene(policy(budget()))
    scene.script = [scene.grants(tokens=0)]
    admission = scene.admit()
    assert (admission.changes, admission.bound_tokens) == ({}, 11_000)


def test_a_limit_in_tokens_refuses_in_tokens() -> None:
    """The least that the call can do with: 1,000 and 1,024."""
    scene = Scene(policy(IN_TOKENS))
    scene.script = [scene.says(REFUSED, "spent", T, limit=1_000_000, ceiling=1_000_000, spent=998_000)]
    with pytest.raises(BudgetExceeded, match="998,000 of 1,000,000 tokens spent, this call may need 2,024 tokens"):
        scene.admit()


def test_who_may_not_be_trimmed_asks_for_all_tokens() -> None:
    """`fit = "asked"` on any of the budgets."""
    scene = Scene(policy(IN_TOKENS, budget("day", 'fit = "asked"')))
    scene.script = [scene.grants(tokens=11_000)]
    scene.admit()
    assert scene.needs() == [asking((T, DAY), BIG, BIG)]


def test_a_limit_in_calls_holds_one() -> None:
    """Five calls are five, however large; the sixth asks."""
    scene = Scene(policy(IN_CALLS))
    scene.view(C, limit=5, ceiling=5)
    scene.leases.merge({C: 5})
    for number in range(5):
        assert scene.admit(f"h-{number}").leased == (C,)
    assert (scene.asked, scene.leases.free(C)) == ([], 0)
    scene.script = [scene.says(REFUSED, "spent", C, limit=5, ceiling=5, spent=5)]
    with pytest.raises(BudgetExceeded, match="5 of 5 calls spent, this call may need 1 call"):
        scene.admit("h-6")


def test_a_search_reserves_money_and_no_tokens() -> None:
    """Half a dollar is no limit of a budget in tokens."""
    scene = Scene(policy(IN_TOKENS))
    scene.script = [scene.grants(tokens=20_000)]
    scene.admit(tools=SEARCH)
    (need,) = scene.needs()
    assert need is not None
    assert need.most < 500_000_000


# Two currencies


DRAWN = budget("day", 'overdraft = "0.50 USD"')
HOPED = f"{DAY}|expected"


def test_a_budget_that_may_be_overdrawn_lends_twice() -> None:
    """By the worst case up to the overdraft, and by what is expected up to the limit; it is counted in once."""
    scene = Scene(policy(DRAWN))
    scene.script = [scene.grants()]
    admission = scene.admit()
    assert scene.needs() == [asking((DAY, HOPED), BIG, LEAST["big"])]
    assert (admission.balances, admission.leased) == ((DAY,), (DAY, HOPED))
    assert scene.leases.granted() == {DAY: BIG, HOPED: EXPECTED["big"]}


@pytest.mark.parametrize("short", [DAY, HOPED])
def test_both_currencies_must_be_there(short: str) -> None:
    """The money for the worst case, and for the expectation."""
    scene = Scene(policy(DRAWN))
    scene.view()
    enough = {DAY: BIG, HOPED: EXPECTED["big"]}
    scene.leases.merge({**enough, short: enough[short] - 1})
    scene.script = [scene.says(REFUSED, "spent", DAY, spent=LIMIT)]
    with pytest.raises(BudgetExceeded) as caught:
        scene.admit()
    assert caught.value.budget == "day"
    scene.leases.merge(enough)
    assert scene.admit().leased == (DAY, HOPED)


def test_what_is_trimmed_is_expected_to_cost_no_more_than_its_bound() -> None:
    """Both sides charge their leases by what was held."""
    scene = Scene(policy(DRAWN))
    scene.script = [scene.grants(20_000_000)]
    assert scene.admit().expected_nano == 20_000_000 < EXPECTED["big"]


# Velocities


FAST = '"0.5 USD in 10m" = "block"'


def seen(recent: int) -> BalanceView:
    return BalanceView(DAY, LIMIT, LIMIT, 0, 0, 0, recent={"600": recent})


@pytest.mark.parametrize(("recent", "leaves"), [(499_999_999, True), (500_000_000, False)])
def test_a_velocity_blocks_however_much_is_left(recent: int, leaves: bool) -> None:
    """From its very amount on, and without asking for money."""
    scene = Scene(policy(budget(at=FAST)))
    scene.guard.standings.see([seen(recent)])
    if leaves:
        assert scene.admit().leased == ()
        return
    with pytest.raises(BudgetExceeded, match="faster than the policy allows") as caught:
        scene.admit()
    assert (caught.value.reason, caught.value.budget) == (RefusalReason.VELOCITY, "day")
    assert scene.asked == []


# Money that lies idle elsewhere


def test_what_lies_idle_elsewhere_is_waited_for_whatever_the_patience() -> None:
    """Its holder was told: two asks later it is here. What calls in flight hold is not waited for."""
    stage = Stage(guarding.budget('patience = "0s"'))
    stage.script = [stage.says(WAIT, "lent"), stage.says(WAIT, "lent"), stage.grants()]
    assert stage.admit().leased == (DAY,)
    assert stage.slept == [POLL_SECONDS, POLL_SECONDS]
    stage = Stage(guarding.budget('patience = "0s"'))
    stage.script = [stage.says(WAIT, "held")]
    assert (stage.refused().reason, stage.slept) == (RefusalReason.HELD, [])


def test_who_does_not_give_it_back_is_waited_for_a_tenth_of_a_second() -> None:
    """Or for as long as the patience, where that is longer; then the reason says who has the money."""
    for patience, seconds in (("0s", RECALL_SECONDS), ("1s", 1.0)):
        stage = Stage(guarding.budget(f'patience = "{patience}"'))
        stage.script = [stage.says(WAIT, "lent")]
        refusal = stage.refused()
        assert (refusal.reason, refusal.retry_after) == (RefusalReason.LENT, None)
        assert sum(stage.slept) == pytest.approx(seconds, abs=1.5 * POLL_SECONDS)


def test_a_refusal_says_when_it_is_worth_trying_again() -> None:
    """When calls usually are over, where only calls in flight hold the money; else it is not."""
    stage = Stage(guarding.budget('patience = "0s"'))
    stage.guard.durations.add(4.18)
    for verdict, why, again in ((WAIT, "held", 4.2), (WAIT, "lent", None), (REFUSED, "spent", None)):
        stage.script = [stage.says(verdict, why)]
        refusal = stage.refused()
        assert (refusal.reason, refusal.retry_after) == (RefusalReason(why), again)
