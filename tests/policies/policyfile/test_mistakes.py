"""Mistakes: collected, placed, and told together."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from bursar.policies.policyfile.keylines import Path
from bursar.policies.policyfile.mistakes import Mistake, Mistakes, PolicyError, did_you_mean, dotted

DATA: dict[str, Any] = {"budget": [{"name": "support-day", "at": {"80%": 1}}, {"name": 7}], "route": [{"find": {}}]}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("mode",), "mode"),
        (("on_unreachable",), "on_unreachable"),
        (("budget", 0, "at", "80%"), 'budget[0] "support-day".at."80%"'),
        (("budget", 1, "limit"), "budget[1].limit"),
        (("route", 0, "find", "http_route"), "route[0].find.http_route"),
        (("a b",), '"a b"'),
    ],
)
def test_a_key_is_written_with_the_name_of_its_table(path: Path, text: str) -> None:
    """So that a person finds the third of ten budgets."""
    assert dotted(path, DATA) == text


def test_mistakes_are_told_together_in_the_order_of_the_file() -> None:
    """Each with its file, line, key, problem and remedy; those without a line first."""
    found = Mistakes("a = 1\nb = 2\n", "bursar.toml", {"a": 1, "b": 2})
    found.add(("b",), "b is wrong", "mend b")
    found.add(("a",), "a is wrong", "mend a")
    found.add(("c",), "c is missing", "add c")
    with pytest.raises(PolicyError) as caught:
        found.raise_any()
    assert caught.value.mistakes == (
        Mistake("c", None, "c is missing", "add c"),
        Mistake("a", 1, "a is wrong", "mend a"),
        Mistake("b", 2, "b is wrong", "mend b"),
    )
    assert str(caught.value) == (
        "bursar.toml: 3 mistakes\n"
        "  bursar.toml: c: c is missing. Remedy: add c\n"
        "  bursar.toml:1: a: a is wrong. Remedy: mend a\n"
        "  bursar.toml:2: b: b is wrong. Remedy: mend b"
    )


def test_one_mistake_is_one() -> None:
    """And one without a key names none."""
    assert str(PolicyError("p.toml", (Mistake("", 3, "no TOML", "mend it"),))) == (
        "p.toml: 1 mistake\n  p.toml:3: no TOML. Remedy: mend it"
    )


def test_nothing_wrong_raises_nothing() -> None:
    """A collector that stayed empty lets the policy through."""
    Mistakes("", "bursar.toml", {}).raise_any()


def test_the_error_can_be_copied_and_pickled() -> None:
    """It goes from the agent to the command that asked."""
    error = PolicyError("p.toml", (Mistake("mode", 1, "wrong", "mend it"),))
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.file, twin.mistakes, str(twin)) == (error.file, error.mistakes, str(error))


@pytest.mark.parametrize(
    ("written", "hint"), [("blok", 'did you mean "block"? '), ("alrt", 'did you mean "alert"? '), ("zzz", "")]
)
def test_a_near_miss_is_recognised(written: str, hint: str) -> None:
    """And a far one is not guessed at."""
    assert did_you_mean(written, ("alert", "block")) == hint
