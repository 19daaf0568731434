"""Fields: one table read key by key, with kinds checked and said in words."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.policies.policyfile.fields import Fields, kind_of, names_once, tables
from bursar.policies.policyfile.mistakes import Mistakes, PolicyError


def fields_of(table: dict[str, Any]) -> tuple[Fields, Mistakes]:
    mistakes = Mistakes("", "bursar.toml", table)
    return Fields(table, (), mistakes, ("a", "b")), mistakes


def told(mistakes: Mistakes) -> list[tuple[str, str, str]]:
    with pytest.raises(PolicyError) as caught:
        mistakes.raise_any()
    return [(mistake.path, mistake.problem, mistake.remedy) for mistake in caught.value.mistakes]


def test_what_is_right_is_read_without_a_word() -> None:
    """Texts, words, lists and tables."""
    fields, mistakes = fields_of({"a": "x", "b": ["y", "z"]})
    assert (fields.text("a", ""), fields.word("a", ("w", "x"), "w"), fields.texts("b", "")) == ("x", "x", ("y", "z"))
    assert (fields.has("a"), fields.has("c"), fields.raw("b"), fields.table("c", "")) == (True, False, ["y", "z"], {})
    mistakes.raise_any()


def test_what_is_missing_is_the_default() -> None:
    """Unless it is required."""
    fields, mistakes = fields_of({})
    assert (fields.text("a", ""), fields.parsed("a", int, 7, ""), fields.word("a", ("x", "y"), "y")) == (None, 7, "y")
    mistakes.raise_any()
    assert fields.text("a", 'a = "x"', required=True) is None
    assert told(mistakes) == [("a", '"a" is missing', 'add a = "x"')]


def test_an_unknown_key_is_told_when_the_table_is_opened() -> None:
    """With the known ones."""
    _, mistakes = fields_of({"q": 1})
    assert told(mistakes) == [("q", 'unknown key "q"', "the keys here are a, b")]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "a truth value"),
        (1, "a number"),
        (1.5, "a number"),
        ("x", "a text"),
        ([], "a list"),
        ({}, "a table"),
        (object(), "a date or time"),
    ],
)
def test_kinds_are_said_in_words(value: object, kind: str) -> None:
    """A truth value is no number, whatever Python says."""
    assert kind_of(value) == kind


def test_tables_keep_their_place_when_one_is_none() -> None:
    """So that a mistake names the right one."""
    data = {"budget": [1, {"name": "b"}]}
    mistakes = Mistakes("", "bursar.toml", data)
    assert tables(data, "budget", mistakes) == [(("budget", 1), {"name": "b"})]
    assert told(mistakes)[0][0] == "budget[0]"


def test_a_name_is_told_each_time_it_comes_back() -> None:
    """The first one keeps it; what is no name is none twice."""
    data = {"budget": [{"name": "b"}, {"name": "b"}, {"name": 1}, {"name": 1}, {}, {}, {"name": "c"}, {"name": "b"}]}
    mistakes = Mistakes("", "bursar.toml", data)
    names_once(tables(data, "budget", mistakes), mistakes)
    assert [path for path, _, _ in told(mistakes)] == ['budget[1] "b".name', 'budget[7] "b".name']
