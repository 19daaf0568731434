"""Claims about what prompts share: part by part in the order of the cache, with marks that stand and should."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from tests.agent.advice.caching.made import MINUTE, UNTIL
from tests.agent.dashboard.shared import samples
from tests.agent.ledger import fresh
from tests.agent.ledger.test_printbook import block, settled

from bursar.agent.dashboard import prefixes as module
from bursar.agent.dashboard.prefixes import Stretch, prefixes, sampled
from bursar.agent.ledger import printbook
from bursar.policies.fingerprint import Fingerprint, Section
from bursar.policies.usage import Usage

SHARED = ("tools/find 300", "tools/send 200", "system/rules 500")
FOUR = [(*SHARED, f"user/{number} 100") for number in range(4)]


def test_prompts_begin_alike_and_part_at_the_question() -> None:
    """Four of 1,100 tokens: tools and system in one piece each, and each a question of its own."""
    told = prefixes(samples(*FOUR))
    assert told.stretches == (
        Stretch("tools", 500, 4, 4, 1),
        Stretch("system", 500, 4, 4, 1),
        Stretch("messages[0]", 100, 4, 1, 4),
    )
    assert (told.prompts, told.typical, told.shared, told.nexts) == (4, 1_100, 1_000, 4)
    assert (told.since_ns, told.until_ns) == (UNTIL - 4 * MINUTE, UNTIL - MINUTE)
    assert told.repeated == 3_000 / 4_400


def test_tokens_are_as_billed() -> None:
    """Where the API counted half as many again, every part is that much longer."""
    found = [
        sample._replace(prompt=sample.prompt._replace(usage=Usage(input=1_650, output=1))) for sample in samples(*FOUR)
    ]
    told = prefixes(found)
    assert [one.tokens for one in told.stretches] == [750, 750, 150]
    assert (told.shared, told.lengths) == (1_500, (1_650,) * 4)


def test_neighbours_that_part_are_told_apart() -> None:
    """A date in the system prompt: what is behind it is shared by none, though it stays the same."""
    dated = [("system/rules 100", f"system/day{day} 10", "system/end 200", "user/a 5") for day in range(3)]
    told = prefixes(samples(*dated))
    assert told.stretches == (
        Stretch("system[0]", 100, 3, 3, 1),
        Stretch("system[1] to [2]", 210, 3, 1, 3),
        Stretch("messages[0]", 5, 3, 1, 3),
    )


def test_later_messages_are_one_stretch() -> None:
    """A conversation of three messages and one of seven, which begins with them."""
    turns = [f"{role}/{number} 10" for number in range(4) for role in ("user", "assistant")][:7]
    told = prefixes(samples(("system/rules 100", *turns[:3]), ("system/rules 100", *turns)))
    assert [(one.name, one.tokens, one.prompts, one.alike) for one in told.stretches] == [
        ("system", 100, 2, 2),
        ("messages[0]", 10, 2, 2),
        ("messages[1]", 10, 2, 2),
        ("messages[2]", 10, 2, 2),
        ("messages[3]", 10, 1, 1),
        ("messages[4] and later", 30, 1, 1),
    ]
    assert told.repeated == 130 / 300


def test_marks_are_told_where_they_stand_and_where_they_should() -> None:
    """One of three marked its system prompt, all the end of their request; the advice has tools as well."""
    marked = ("tools/find 300", "system/rules 500 1h", "user/a 100 5m")
    plain = [("tools/find 300", "system/rules 500", f"user/{name} 100 5m") for name in "bc"]
    told = prefixes(samples(marked, *plain), ["tools 5m", "system 5m"])
    assert [(one.name, one.marked, one.advised) for one in told.stretches] == [
        ("tools", "", "tools 5m"),
        ("system", "system 1h in 1", "system 5m"),
        ("messages[0]", "", ""),
    ]
    assert told.marks == {"tail 5m": 3, "system 1h": 1}
    assert (told.positions["tools"], told.positions["system"], told.positions["messages[0]"]) == (300, 800, 900)


def test_without_prompts_nothing_is_in_common() -> None:
    with pytest.raises(ValueError, match="without prompts"):
        prefixes([])
    empty = prefixes(samples(("settings.system/x",), ("settings.system/x",)))
    assert (empty.stretches, empty.shared, empty.repeated, empty.scale) == ((), 0, 0.0, Fraction(1))


def test_the_last_prompts_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """In order of time, so many blocks and no more: prompts before them are left out."""
    db = fresh.ledger()
    for number in range(5):
        settled(db, f"a{number}", 1_000 + number)
        question = replace(block(number + 2), section=Section.MESSAGES, role="user")
        printbook.keep(db, [Fingerprint(f"a{number}", (block(1, mark="5m"), question))], 2_000)
    found = sampled(db, "chat", 1_004)
    assert [sample.prompt.attempt_id for sample in found] == ["a0", "a1", "a2", "a3"]
    assert [node.section for node in found[0].path] == ["system", "messages"]
    assert found[0].marks == (("system", "5m"),)
    monkeypatch.setattr(module, "MOST_BLOCKS", 3)
    assert [sample.prompt.attempt_id for sample in sampled(db, "chat", 1_005)] == ["a3", "a4"]
    assert sampled(db, "mail", 1_005) == []


def test_a_prompt_whose_blocks_are_forgotten_is_left_out() -> None:
    """Between two readings of a page what is old may go."""
    db = fresh.ledger()
    for number in (1, 2):
        settled(db, f"a{number}", number)
        printbook.keep(db, [Fingerprint(f"a{number}", (block(number),))], 2_000)
    db.conn.execute("DELETE FROM nodes WHERE id = 1")
    assert [sample.prompt.attempt_id for sample in sampled(db, "chat", 9)] == ["a2"]
