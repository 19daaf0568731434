"""Claims about what becomes of an attempt, record by record."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.agent.ledger.life import (
    Attempt,
    Source,
    State,
    as_duplicate,
    as_orphan,
    of_charge,
    with_charge,
    with_own_word,
    with_release,
    with_sent,
)
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Sent
from bursar.policies.usage import Usage

SENT = Sent("a1", "c1", 1_000, "support", "opus", "opus", {"tenant": "acme"}, ("b|w|",), ("b|w|",), 50, 10)
HELD = Attempt("a1", holder="h1", bound_nano=60, leased=("b|w|",))


def charge(basis: Basis, cost: int | None = 7, **more: str) -> Charge:
    return Charge("a1", cost, Usage(input=3), basis, "sonnet", "opus", "support", at_ns=1_000, **more)  # type: ignore[arg-type]


def settled(attempt: Attempt, basis: Basis, cost: int | None = 7, *, final: bool = True) -> Attempt:
    return with_charge(attempt, charge(basis, cost), final=final, source="journal", now_ns=9)


WORDS = [
    settled(with_sent(HELD, SENT, "h1"), Basis.USAGE),
    settled(with_sent(HELD, SENT, "h1"), Basis.SPAN),
    with_release(with_sent(HELD, SENT, "h1"), "h1"),
    settled(with_sent(HELD, SENT, "h1"), Basis.ESTIMATE),
    settled(with_sent(HELD, SENT, "h1"), Basis.UNKNOWN, None),
    as_orphan(with_sent(HELD, SENT, "h1"), 9),
    settled(with_sent(HELD, SENT, "h1"), Basis.USAGE, final=False),
    with_sent(HELD, SENT, "h1"),
    HELD,
]


def test_words_are_ordered_by_weight() -> None:
    """The table in the module's docstring, from the weightiest to the lightest."""
    assert all(first.weight < second.weight for first, second in pairwise(WORDS))


@pytest.mark.parametrize(
    ("first", "then", "stands"),
    [
        (Basis.SPAN, Basis.USAGE, Basis.USAGE),
        (Basis.USAGE, Basis.SPAN, Basis.USAGE),
        (Basis.UNKNOWN, Basis.ESTIMATE, Basis.ESTIMATE),
        (Basis.ESTIMATE, Basis.UNKNOWN, Basis.ESTIMATE),
        (Basis.ESTIMATE, Basis.SPAN, Basis.SPAN),
    ],
)
def test_the_more_exact_basis_stands(first: Basis, then: Basis, stands: Basis) -> None:
    """In either order."""
    attempt = settled(settled(Attempt("a1"), first), then)
    assert attempt.charge is not None
    assert attempt.charge.basis is stands


def test_of_two_final_charges_of_one_basis_the_first_stays() -> None:
    """A second figure of the same exactness changes nothing."""
    attempt = settled(settled(Attempt("a1"), Basis.USAGE, 7), Basis.USAGE, 8)
    assert attempt.posted_nano == 7


Word = tuple[Source, Basis, int, bool]
"""Who tells it, its basis, its cost, and whether it is final."""


def tell(attempt: Attempt, word: Word) -> Attempt:
    source, basis, cost, final = word
    return with_charge(attempt, charge(basis, cost), final=final, source=source, now_ns=9)


@pytest.mark.parametrize(
    ("first", "then", "cost", "source"),
    [
        (("span", Basis.ESTIMATE, 7, True), ("journal", Basis.ESTIMATE, 8, True), 8, "journal"),
        (("journal", Basis.ESTIMATE, 8, True), ("span", Basis.ESTIMATE, 7, True), 8, "journal"),
        (("span", Basis.UNKNOWN, 7, True), ("journal", Basis.UNKNOWN, 8, True), 8, "journal"),
        (("span", Basis.ESTIMATE, 7, True), ("span", Basis.ESTIMATE, 8, True), 7, "span"),
        (("journal", Basis.ESTIMATE, 7, True), ("journal", Basis.ESTIMATE, 8, True), 7, "journal"),
        (("span", Basis.SPAN, 7, True), ("journal", Basis.ESTIMATE, 8, True), 7, "span"),
        (("journal", Basis.UNKNOWN, 8, True), ("span", Basis.ESTIMATE, 7, True), 7, "span"),
        (("span", Basis.ESTIMATE, 7, True), ("journal", Basis.USAGE, 8, False), 7, "span"),
    ],
)
def test_of_one_weight_the_journals_word_stands(first: Word, then: Word, cost: int, source: Source) -> None:
    """Its process saw more than a span tells. A weightier word stands whoever says it, and a span replaces no equal."""
    attempt = tell(tell(Attempt("a1"), first), then)
    assert attempt.charge is not None
    assert (attempt.charge.cost_nano_usd, attempt.source) == (cost, source)


@st.composite
def told_in_two_orders(draw: st.DrawFn) -> tuple[list[Word | None], list[Word | None]]:
    """Different words about one attempt, None for its release, in two orders."""
    sources: st.SearchStrategy[Source] = st.sampled_from(["journal", "span"])
    kinds = draw(
        st.lists(
            st.one_of(
                st.none(),
                st.just(("journal", Basis.USAGE, False)),
                st.tuples(sources, st.sampled_from(Basis), st.just(True)),
            ),
            unique=True,
            max_size=8,
        )
    )
    words: list[Word | None] = [kind and (kind[0], kind[1], place, kind[2]) for place, kind in enumerate(kinds)]
    return words, draw(st.permutations(words))


@given(told_in_two_orders())
def test_the_order_of_words_does_not_matter(orders: tuple[list[Word | None], list[Word | None]]) -> None:
    """One word of each source and basis, a stream's first and a release: one charge stands, in every order."""

    def heard(attempt: Attempt, word: Word | None) -> Attempt:
        return with_release(attempt, "h1") if word is None else tell(attempt, word)

    one, other = (reduce(heard, words, with_sent(HELD, SENT, "h1")) for words in orders)
    assert (one.charge, one.state, one.source, one.posted_nano) == (
        other.charge,
        other.state,
        other.source,
        other.posted_nano,
    )


def test_a_final_charge_replaces_a_provisional_one_and_never_the_other_way() -> None:
    """A stream's last figures win over its first, whichever comes first."""
    early = settled(Attempt("a1"), Basis.USAGE, 3, final=False)
    assert (early.state, early.posted_nano) == (State.PROVISIONAL, None)
    assert settled(early, Basis.USAGE, 7).posted_nano == 7
    late = settled(settled(Attempt("a1"), Basis.USAGE, 7), Basis.USAGE, 3, final=False)
    assert (late.state, late.posted_nano) == (State.SETTLED, 7)


@pytest.mark.parametrize(
    ("basis", "cost", "posted", "unknown"),
    [
        (Basis.USAGE, 7, 7, 0),
        (Basis.SPAN, 7, 7, 0),
        (Basis.ESTIMATE, 7, 7, 7),
        (Basis.UNKNOWN, None, 50, 50),
        (Basis.USAGE, 0, 0, 0),
    ],
)
def test_a_charge_counts_as_its_cost_and_one_without_as_its_bound(
    basis: Basis, cost: int | None, posted: int, unknown: int
) -> None:
    """What is no figure of the API's is also counted as unknown."""
    attempt = settled(with_sent(HELD, SENT, "h1"), basis, cost)
    assert (attempt.posted_nano, attempt.unknown_nano) == (posted, unknown)


def test_an_unknown_charge_without_a_bound_counts_as_what_the_stream_showed() -> None:
    """A lower bound is better than nothing, in whichever order the two came."""
    first = settled(settled(Attempt("a1"), Basis.USAGE, 3, final=False), Basis.UNKNOWN, None)
    then = settled(settled(Attempt("a1"), Basis.UNKNOWN, None), Basis.USAGE, 3, final=False)
    assert first.posted_nano == then.posted_nano == 3
    assert settled(Attempt("a1"), Basis.UNKNOWN, None).posted_nano == 0


@pytest.mark.parametrize(
    ("before", "state", "cost", "basis"),
    [
        (HELD, State.RELEASED, None, None),
        (with_sent(HELD, SENT, "h1"), State.ORPHANED, 50, Basis.ESTIMATE),
        (with_sent(HELD, replace(SENT, bound_nano=None), "h1"), State.ORPHANED, 60, Basis.ESTIMATE),
        (with_sent(Attempt("a1"), replace(SENT, bound_nano=None), "h1"), State.ORPHANED, None, Basis.UNKNOWN),
        (settled(with_sent(HELD, SENT, "h1"), Basis.USAGE, 3, final=False), State.ORPHANED, 50, Basis.ESTIMATE),
        (settled(with_sent(HELD, SENT, "h1"), Basis.USAGE, 80, final=False), State.ORPHANED, 80, Basis.ESTIMATE),
    ],
)
def test_what_a_dead_process_leaves(before: Attempt, state: State, cost: int | None, basis: Basis | None) -> None:
    """What never left is released; what left may have cost its bound, or more where the stream said so."""
    after = as_orphan(before, 9)
    found = after.charge
    assert after.state is state
    assert (found.cost_nano_usd if found else None, found.basis if found else None) == (cost, basis)
    assert not after.open


def test_an_orphan_keeps_the_usage_its_stream_had_shown() -> None:
    """The first event's tokens stand beside the bound."""
    after = as_orphan(settled(with_sent(HELD, SENT, "h1"), Basis.USAGE, 3, final=False), 9)
    assert after.charge is not None
    assert after.charge.usage == Usage(input=3)


def test_a_late_word_of_the_process_replaces_an_orphans_bound() -> None:
    """A charge, or the news that it cost nothing."""
    orphan = as_orphan(with_sent(HELD, SENT, "h1"), 9)
    assert settled(orphan, Basis.USAGE, 7).posted_nano == 7
    assert with_release(orphan, "h1").posted_nano is None
    assert settled(orphan, Basis.USAGE, 7, final=False).posted_nano == 50


def test_leases_follow_the_first_last_word_of_the_process() -> None:
    """Its cost, or its bound where it knew none; a span's word is not the process's."""
    sent = with_sent(HELD, SENT, "h1")
    assert with_own_word(sent, charge(Basis.USAGE, 7), "h1").lease_charge.usd == 7
    assert with_own_word(sent, charge(Basis.UNKNOWN, None), "h1").lease_charge.usd == 50
    twice = with_own_word(with_own_word(sent, charge(Basis.UNKNOWN, None), "h1"), charge(Basis.USAGE, 7), "h1")
    assert twice.lease_charge.usd == 50
    assert not settled(sent, Basis.SPAN).own_final


def test_sent_names_an_attempt_whatever_a_span_said_before() -> None:
    """The process knows its own route, labels, balances and time; the served model is the charge's."""
    other = Charge("a1", 7, Usage(), Basis.SPAN, "sonnet", "?", "elsewhere", at_ns=5)
    after = with_sent(with_charge(Attempt("a1"), other, final=True, source="span", now_ns=9), SENT, "h1")
    assert (after.route, after.at_ns, after.model, after.requested_model) == ("support", 1_000, "sonnet", "opus")
    assert (after.labels, after.balances, after.state) == ({"tenant": "acme"}, ("b|w|",), State.SETTLED)


def test_sent_again_changes_nothing() -> None:
    """Also when its figures are others."""
    once = with_sent(HELD, SENT, "h1")
    assert with_sent(once, replace(SENT, bound_nano=1, route="other"), "h2") == once


@pytest.mark.parametrize("basis", list(Basis))
def test_a_charge_of_an_attempt_nobody_knows_is_made_at_once(basis: Basis) -> None:
    """As word by word: every field of an attempt is the same, but for its balances, which are known at once."""
    told = replace(charge(basis, request_id="req", response_id="msg"), told_nano_usd=5, labels={"tenant": "acme"})
    told = replace(told, duration_ns=9, first_token_ns=3, stop_reason="end_turn")
    slowly = with_charge(Attempt(told.attempt_id), told, final=True, source="span", now_ns=9)
    assert of_charge(told, balances=("b",), source="span", now_ns=9) == replace(slowly, balances=("b",))


def test_labels_of_other_kinds_become_texts() -> None:
    """Money is not lost over a number where a text should stand."""
    odd = replace(SENT, labels={"tenant": 7})  # type: ignore[dict-item]
    assert with_sent(HELD, odd, "h1").labels == {"tenant": "7"}


def test_ids_of_a_lighter_charge_are_kept() -> None:
    """A span that loses may still be the only one who saw the request id."""
    first = settled(Attempt("a1"), Basis.USAGE)
    then = with_charge(first, charge(Basis.SPAN, request_id="req_1"), final=True, source="span", now_ns=9)
    assert (then.request_id, then.source) == ("req_1", "journal")
    early = charge(Basis.USAGE, request_id="req_1", response_id="msg_1")
    begun = with_charge(Attempt("a1"), early, final=False, source="journal", now_ns=9)
    ended = settled(begun, Basis.USAGE)
    assert (ended.request_id, ended.response_id) == ("req_1", "msg_1")


Timed = tuple[Source, Basis, bool, int | None, int | None]
"""Who tells it, its basis, whether it is final, and its times."""


@pytest.mark.parametrize(
    ("words", "duration_ns", "first_token_ns"),
    [
        ([("journal", Basis.USAGE, True, 9, 3), ("span", Basis.SPAN, True, 20, 5)], 9, 3),
        ([("span", Basis.SPAN, True, 20, 5), ("journal", Basis.USAGE, True, 9, None)], 9, 5),
        ([("span", Basis.SPAN, True, 20, 5), ("journal", Basis.ESTIMATE, True, 9, 3)], 9, 3),
        ([("journal", Basis.ESTIMATE, True, 9, 3), ("span", Basis.SPAN, True, 20, 5)], 9, 3),
        ([("journal", Basis.USAGE, True, None, None), ("span", Basis.SPAN, True, 20, 5)], 20, 5),
        ([("journal", Basis.USAGE, False, None, 3), ("journal", Basis.USAGE, True, 9, 3)], 9, 3),
        ([("journal", Basis.USAGE, False, None, 3), ("span", Basis.SPAN, True, 20, 5)], 20, 3),
        ([("span", Basis.SPAN, True, 20, None), ("span", Basis.SPAN, True, 21, 5)], 20, 5),
        ([("span", Basis.ESTIMATE, True, 20, 5), ("span", Basis.SPAN, True, 21, 6)], 20, 5),
        ([("journal", Basis.USAGE, True, 9, 3), ("journal", Basis.USAGE, True, 8, 2)], 9, 3),
    ],
)
def test_times_are_the_journals_and_a_span_fills_the_gaps(
    words: list[Timed], duration_ns: int | None, first_token_ns: int | None
) -> None:
    """Whichever charge stands; of two that are told by one kind the first, as with all figures."""
    attempt = Attempt("a1")
    for source, basis, final, took, first in words:
        told = replace(charge(basis), duration_ns=took, first_token_ns=first)
        attempt = with_charge(attempt, told, final=final, source=source, now_ns=9)
    assert (attempt.duration_ns, attempt.first_token_ns) == (duration_ns, first_token_ns)


def test_a_stop_reason_goes_the_same_way() -> None:
    """Claude Code tells it by its span alone, and its event corrects that: the reason stays."""
    by_span = replace(charge(Basis.ESTIMATE), stop_reason="max_tokens")
    told = with_charge(Attempt("a1"), by_span, final=True, source="span", now_ns=9)
    corrected = with_charge(told, charge(Basis.SPAN, 8), final=True, source="span", now_ns=9)
    assert (corrected.posted_nano, corrected.stop_reason) == (8, "max_tokens")
    own = replace(charge(Basis.USAGE, 8), stop_reason="end_turn")
    assert with_charge(corrected, own, final=True, source="journal", now_ns=9).stop_reason == "end_turn"


def test_an_attempt_that_was_released_says_why_until_it_turns_out_to_have_cost_something() -> None:
    """A span that tells of its answer knows better than whoever gave it up."""
    released = with_release(with_sent(HELD, SENT, "h1"), "h1", "http 429")
    assert (released.failure, released.duration_ns, released.first_token_ns) == ("http 429", None, None)
    answered = with_charge(released, charge(Basis.SPAN), final=True, source="span", now_ns=9)
    assert (answered.state, answered.failure) == (State.SETTLED, None)


def test_a_duplicate_counts_as_nothing() -> None:
    """Its response counts elsewhere, and is that one's to name."""
    found = with_charge(HELD, charge(Basis.USAGE, response_id="msg_1"), final=True, source="span", now_ns=9)
    after = as_duplicate(found, "a0")
    assert (after.posted_nano, after.response_id, after.open) == (None, None, False)
    assert found.posted_nano == 7


def test_a_charge_that_another_process_read_first_is_still_its_senders() -> None:
    """A batch's result may be booked before the journal of the process that submitted it: its leases pay."""
    told = with_own_word(settled(Attempt("a1"), Basis.USAGE), charge(Basis.USAGE), "reader")
    sent = with_sent(told, SENT, "h1")
    assert (sent.holder, sent.own_cost_nano, sent.leased) == ("h1", 7, ("b|w|",))
    assert with_sent(told, SENT, None).holder == "reader"
