"""Claims about sessions and tickets: sealed with the token, over in time, used once."""

from __future__ import annotations

from itertools import count

import pytest

from bursar.agent.dashboard.passes import LONGEST_TICKET_SECONDS, MOST_TICKETS, SESSION_SECONDS, Passes


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, token: str = "secret") -> Passes:
    numbers = count()
    return Passes(token, clock, lambda: f"t{next(numbers)}")


def test_only_the_token_is_known() -> None:
    """Neither a part of it nor something else."""
    passes = made(Clock(), "geheimnis-ä")
    assert passes.knows("geheimnis-ä")
    assert not any(passes.knows(text) for text in ("", "geheimnis", "geheimnis-ä ", "Geheimnis-ä"))


def test_a_session_is_good_until_its_end() -> None:
    """Twelve hours, to the second; also after the agent was started anew with the same token."""
    clock = Clock()
    session = made(clock).session()
    clock.now += SESSION_SECONDS - 1
    assert made(clock).good(session)
    clock.now += 1
    assert not made(clock).good(session)


def test_another_token_ends_all_sessions() -> None:
    """What is sealed with the old one opens nothing."""
    clock = Clock()
    assert not made(clock, "new").good(made(clock, "old").session())


@pytest.mark.parametrize("forged", ["", ".", "9999999999", "9999999999.", "x.y", "9999999999.00", "٣.٤", "-1.ü"])
def test_a_forged_session_is_not_good(forged: str) -> None:
    """Whatever it looks like, and without an error."""
    assert not made(Clock()).good(forged)


def test_a_later_end_breaks_the_seal() -> None:
    """The end is part of what is sealed."""
    passes = made(Clock())
    end, _, seal = passes.session().partition(".")
    assert not passes.good(f"{int(end) + 1}.{seal}")


def test_a_ticket_opens_once_and_in_time() -> None:
    """A minute, or as long as was asked for; an hour at most."""
    clock = Clock()
    passes = made(clock)
    first, second, third = passes.ticket(), passes.ticket(), passes.ticket(10 * LONGEST_TICKET_SECONDS)
    assert passes.redeem(first)
    assert not passes.redeem(first)
    clock.now += 60
    assert not passes.redeem(second)
    clock.now += LONGEST_TICKET_SECONDS - 60
    assert not passes.redeem(third)
    assert not passes.redeem("never made")


def test_tickets_are_bounded() -> None:
    """Of more than may be, the oldest end."""
    passes = made(Clock())
    names = [passes.ticket() for _ in range(MOST_TICKETS + 1)]
    assert not passes.redeem(names[0])
    assert passes.redeem(names[1])
