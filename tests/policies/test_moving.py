"""Moving: a conversation goes to another model only where that is cheaper over what it has to come."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bursar.policies.moving import ENOUGH, MEMORY, Lengths, Terms, Turns, break_even, move, stay


def terms(cents: int, read: Fraction, output: int, tokens: Fraction = Fraction(1)) -> Terms:
    """Of an input price: a cache write is 1.25 of it, a read the given part, in thousandths."""
    return Terms(cents * 1_250, int(cents * 1_000 * read), output * 1_000, tokens)


OPUS = terms(4, Fraction(1, 20), 20)
SONNET = terms(2, Fraction(1, 20), 10)
HAIKU = Terms(125, 10, 500)  # 0.10 in, 0.125 to write, 0.01 to read, 0.50 out
HAIKU_LONG = Terms(625, 50, 2_500)  # above 100,000 tokens five times as much
FABLE = terms(8, Fraction(1, 40), 40)


def test_a_call_costs_by_what_it_reads_writes_and_says() -> None:
    """Two calls on 100 tokens that grow by 10 and say 3: read 100 and 110, write 10 twice, say 3 twice."""
    turns, at = Turns(100, 10, 3), Terms(write=5, read=1, output=7)
    assert stay(2, turns, at) == 1 * (100 + 110) + 5 * 20 + 7 * 6
    assert move(2, turns, at) == 5 * 100 + 1 * 110 + 5 * 20 + 7 * 6
    assert stay(0, turns, at) == move(0, turns, at) == 0


def test_another_tokenizer_makes_everything_longer() -> None:
    """By its factor, on the side of the model that has it."""
    turns = Turns(100, 10, 3)
    assert move(3, turns, Terms(5, 1, 7, Fraction(13, 10))) == Fraction(13, 10) * move(3, turns, Terms(5, 1, 7))


@pytest.mark.parametrize(
    ("here", "there", "prefixes", "short", "long"),
    [
        (OPUS, SONNET, (20, 90, 200), (9, 17, 20), (4, 10, 15)),
        (FABLE, OPUS, (20, 90, 200), (14, 62, 138), (4, 18, 39)),
        (FABLE, SONNET, (20, 90, 200), (4, 11, 16), (2, 5, 9)),
        (OPUS, HAIKU_LONG, (20, 90, 200), (2, 3, 4), (1, 2, 3)),
        (OPUS, HAIKU, (20, 90), (1, 1), (1, 1)),
        (SONNET, HAIKU, (20, 90), (1, 1), (1, 1)),
        (FABLE, HAIKU, (20, 90), (1, 1), (1, 1)),
    ],
)
def test_break_even_is_as_found_in_the_study(
    here: Terms, there: Terms, prefixes: tuple[int, ...], short: tuple[int, ...], long: tuple[int, ...]
) -> None:
    """By thousands of tokens in the prefix, growing by 1,000 a call, with answers of 100 and of 1,000 tokens."""
    for output, expected in ((100, short), (1_000, long)):
        turns = [Turns(prefix * 1_000, 1_000, output) for prefix in prefixes]
        assert tuple(break_even(one, here, there) for one in turns) == expected


def test_where_nothing_is_gained_there_is_no_break_even() -> None:
    """Nor where the way back up would have to be paid."""
    turns = Turns(20_000, 1_000, 100)
    assert break_even(turns, OPUS, OPUS) is None
    assert break_even(turns, SONNET, OPUS) is None


def test_how_much_is_to_come_is_learnt_from_how_far_calls_come() -> None:
    """Forty conversations of ten calls and forty of four: from the fifth call on all have ten."""
    lengths = Lengths()
    for length in (10, 4):
        for _ in range(40):
            for turns in range(length):
                lengths.add(turns)
    assert [lengths.to_come(turns) for turns in (0, 3, 4, 9, 10)] == [10, 7, 6, 1, None]


def test_too_few_calls_say_nothing() -> None:
    """Nineteen of them; the twentieth does."""
    lengths = Lengths()
    for _ in range(ENOUGH - 1):
        lengths.add(2)
    before = lengths.to_come(2)
    lengths.add(2)
    assert (before, lengths.to_come(2)) == (None, 1)


def test_what_is_long_ago_counts_less() -> None:
    """Conversations that were long once do not make today's look long for ever."""
    lengths = Lengths()
    for turns in range(10):
        for _ in range(100):
            lengths.add(turns)
    for _ in range(2 * MEMORY):
        lengths.add(0)
    assert lengths.to_come(0) == 1
