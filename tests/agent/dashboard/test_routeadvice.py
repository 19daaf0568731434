"""Claims about a route's advice: by dollars a day, without what was put aside, each with what it rests on."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.agent.dashboard.routeadvice import Piece, advised_places, best_of, commands, of_route
from bursar.agent.ledger.advicebook import Kept


def one(name: str, **changes: Any) -> dict[str, Any]:
    """A recommendation as the command says it: worth 5 nano-dollars a day, between 1 and 9."""
    return {
        "id": name,
        "kind": "cut",
        "route": "chat",
        "model": "claude-opus-5-5",
        "place": "",
        "advised": True,
        "saving_nano_usd_per_day": {"from": 1, "expected": 5, "to": 9},
        "saving_under": {},
        "text": "Mark system.",
        "assumes": None,
        "snippet": None,
        "evidence": {},
        "dismissed": None,
        **changes,
    }


def saving(low: int, expected: int | None, high: int) -> dict[str, int | None]:
    return {"from": low, "expected": expected, "to": high}


def kept(*found: dict[str, Any]) -> Kept:
    return Kept(3, 1, 2, found)


def test_the_dearest_comes_first() -> None:
    """By what is expected, else by what is sure; what is not known comes last, and other routes not at all."""
    advice = of_route(
        kept(
            one("a"),
            one("b", saving_nano_usd_per_day=saving(0, 7, 20)),
            one("c", saving_nano_usd_per_day=saving(6, None, 30)),
            one("d", saving_nano_usd_per_day=None),
            one("e", route="mail"),
            one("f", advised=False, kind="not_here", text="Too short."),
        ),
        (),
        "chat",
    )
    assert [(piece.id, piece.worth) for piece in advice.pieces] == [("b", 7), ("c", 6), ("a", 5), ("d", None)]
    assert [(piece.id, piece.title, piece.text) for piece in advice.otherwise] == [("f", "Cache", "Too short.")]


def test_what_was_put_aside_is_not_told() -> None:
    """Whenever that was: the advice that is kept is older."""
    found = kept(one("a"), one("b"), one("c", advised=False))
    advice = of_route(found, {"a", "c"}, "chat")
    assert ([piece.id for piece in advice.pieces], advice.otherwise) == (["b"], ())
    assert best_of(found, {"a", "b"}) == {}
    assert advised_places(found, {"a", "b"}, "chat") == {}


def test_a_piece_says_what_it_rests_on() -> None:
    """Counts and shares by name; of figures that people do not need, none; and the command that puts it aside."""
    evidence: dict[str, Any] = {
        "calls": 1_200,
        "share_read": 0.25,
        "days": 7.0,
        "parallel_calls_per_day": 6.6,
        "marks": [],
    }
    (piece,) = of_route(kept(one("a", evidence=evidence, snippet="x = 1", assumes="So.")), (), "chat").pieces
    assert piece == Piece(
        "a",
        "Cache marks",
        "claude-opus-5-5",
        "Mark system.",
        1,
        5,
        9,
        (("calls looked at", "1,200"), ("calls side by side a day", "7"), ("read from the cache now", "25%")),
        "x = 1",
        "So.",
    )
    assert piece.dismiss == "bursar advise dismiss a --reason TEXT"


def test_what_the_figures_rest_on_is_told_once() -> None:
    """As they are told: by dollars a day; of what is to be left as it is, none."""
    found = kept(
        one("a", assumes="A."), one("b", assumes="B."), one("c", assumes="A."), one("d", advised=False, assumes="D.")
    )
    assert of_route(found, (), "chat").assumes == ("A.", "B.")


def test_the_best_of_a_route_is_its_best_piece() -> None:
    """Not the sum, since what one change saves another cannot save again; what saves nothing is none."""
    found = kept(
        one("a"),
        one("b", saving_nano_usd_per_day=saving(0, 8, 9)),
        one("c", route="mail", saving_nano_usd_per_day=saving(-3, 0, 9)),
        one("d", route="news", saving_nano_usd_per_day=None),
    )
    assert best_of(found, ()) == {"chat": 8}
    assert best_of(None, ()) == {}


def test_advised_marks_are_told_by_place() -> None:
    """Of all models of the route, and those that stand as they should too."""
    marks = [{"place": "system", "ttl": "5m"}, {"place": "tail", "ttl": "5m"}]
    found = kept(
        one("a", evidence={"marks": marks}),
        one("b", model="claude-haiku-5-5", advised=False, evidence={"marks": marks[:1]}),
        one("c", kind="prewarm", evidence={"marks": [{"place": "tools", "ttl": "1h"}]}),
    )
    assert advised_places(found, (), "chat") == {
        "system 5m": ("claude-opus-5-5", "claude-haiku-5-5"),
        "tail 5m": ("claude-opus-5-5",),
    }
    assert advised_places(None, (), "chat") == {}


LADDER = ("opus", "sonnet", "haiku")


@pytest.mark.parametrize(
    ("used", "ladder", "candidate"),
    [
        (["opus"], LADDER, "sonnet"),
        (["opus", "sonnet"], LADDER, "haiku"),
        (["sonnet"], LADDER, "haiku"),
        (["other"], LADDER, "haiku"),
        (["haiku"], LADDER, "MODEL"),
        ([], (), "MODEL"),
    ],
)
def test_the_next_rung_is_what_an_eval_would_try(used: list[str], ladder: tuple[str, ...], candidate: str) -> None:
    """Below any that is used; where nothing is below, the reader names one."""
    _, (_, command) = commands("chat", used, ladder)
    assert command == f"bursar eval --route chat --candidate {candidate}"


def test_commands_take_a_name_as_it_is() -> None:
    """As one word of a shell; and where a glob is asked for, as one that matches nothing else."""
    (_, advise), (_, evaluate) = commands("a b*; rm", [], ())
    assert advise == "bursar advise --route 'a b[*]; rm' --all"
    assert evaluate == "bursar eval --route 'a b*; rm' --candidate MODEL"
