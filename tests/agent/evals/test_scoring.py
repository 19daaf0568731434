"""Scoring: what counts as the same answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bursar.agent.evals.scoring import ScoreError, UnscorableError, exact, same, scorer

INVOICE = {"total": 10, "currency": "EUR", "lines": [{"net": 4.5, "text": "a  b"}], "note": None}


@pytest.mark.parametrize(
    ("reference", "candidate", "expected"),
    [
        ("Yes", "Yes", 1),
        (" Yes\n", "Yes", 1),
        ("a  b\n\tc", "a b c", 1),
        ("Yes", "yes", 0),
        ("Yes", "Yes.", 0),
        ("ab", "a b", 0),
        ("", "", 1),
    ],
)
def test_exact_is_the_same_text_but_for_white_space(reference: str, candidate: str, expected: float) -> None:
    """Neither case nor signs are passed over."""
    assert exact(reference, candidate) == expected
    assert scorer("exact")(reference, candidate) == expected


@pytest.mark.parametrize(
    ("reference", "candidate", "expected"),
    [
        (1, 1.0, True),
        (0.1 + 0.2, 0.3, True),
        (1, 2, False),
        (1, True, False),
        (0, False, False),
        (0, None, False),
        (1, "1", False),
        ("a b", "a  b ", True),
        ("a", "b", False),
        ([1, 2], [1, 2.0], True),
        ([1, 2], [2, 1], False),
        ([1, 2], [1], False),
        ({"a": 1, "b": [None]}, {"b": [None], "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({}, [], False),
        (None, None, True),
        (True, True, True),
        (True, False, False),
    ],
)
def test_json_values_are_the_same_by_value(reference: Any, candidate: Any, expected: bool) -> None:
    """Numbers numerically, objects whatever their order; and the same the other way round."""
    assert same(reference, candidate) is expected
    assert same(candidate, reference) is expected
    assert scorer("json")(json.dumps(reference), json.dumps(candidate)) == float(expected)


@pytest.mark.parametrize(
    ("fields", "change", "expected"),
    [
        (("total",), {"currency": "USD"}, 1),
        (("total",), {"total": 10.0}, 1),
        (("total",), {"total": 11}, 0),
        (("total", "currency"), {"currency": "USD"}, 0),
        (("lines.0.net",), {"lines": [{"net": 4.50}]}, 1),
        (("lines.0.net",), {"lines": []}, 0),
        (("total", "vat"), {}, 1),
        (("total", "vat"), {"vat": None}, 0),
        (("note",), {"note": None}, 1),
        (("lines.0.text",), {"lines": [{"text": "a b"}]}, 1),
    ],
)
def test_chosen_fields_alone_count_and_all_of_them(
    fields: tuple[str, ...], change: dict[str, Any], expected: float
) -> None:
    """A field that neither has is the same; one that only one of them has is not, not even as null."""
    score = scorer("json", fields)
    assert score(json.dumps(INVOICE), json.dumps({**INVOICE, **change})) == expected


def test_json_in_a_fence_is_json() -> None:
    """As models like to write it; a candidate's that is none disagrees."""
    score = scorer("json")
    assert score('{"a": 1}', '```json\n{"a": 1}\n```\n') == 1
    assert score('```\n{"a": 1}\n```', '{"a": 1}') == 1
    assert score('{"a": 1}', 'Here it is: {"a": 1}') == 0
    assert score('{"a": 1}', "[" * 100_000) == 0


@pytest.mark.parametrize(("fields", "reference"), [((), "I cannot"), (("a", "b.c"), '{"d": 1}'), (("a",), "[1]")])
def test_a_reference_without_json_measures_nothing(fields: tuple[str, ...], reference: str) -> None:
    """It says nothing of the candidate, for or against."""
    with pytest.raises(UnscorableError, match="the reference's answer"):
        scorer("json", fields)(reference, '{"a": 1}')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "judge_of_tests.py").write_text(
        "def half(a, b): return 0.5 if a == b else 0\n"
        "def flag(a, b): return a == b\n"
        "def much(a, b): return 7\n"
        "def text(a, b): return 'yes'\n"
        "def broken(a, b): raise KeyError(a)\n"
        "word = 'none'\n"
    )
    return tmp_path


def test_a_function_of_the_user_decides(folder: Path) -> None:
    """True and false are one and nothing; what lies between stands as it is."""
    assert scorer("judge_of_tests:half", folder=folder)("a", "a") == 0.5
    assert scorer("judge_of_tests:flag", folder=folder)("a", "a") == 1
    assert scorer("judge_of_tests:flag", folder=folder)("a", "b") == 0


@pytest.mark.parametrize("name", ["much", "text", "broken"])
def test_what_is_no_score_leaves_a_sample_out_and_tells_no_content(folder: Path, name: str) -> None:
    """The run goes on, and its money is not lost."""
    with pytest.raises(UnscorableError) as trouble:
        scorer(f"judge_of_tests:{name}", folder=folder)("secret", "b")
    assert "secret" not in str(trouble.value)


@pytest.mark.parametrize(
    ("named", "fields"),
    [
        ("exakt", ()),
        ("judge_of_tests:none", ()),
        ("no_module_of_tests:f", ()),
        ("judge_of_tests:word", ()),
        ("exact", ("a",)),
        ("judge_of_tests:flag", ("a",)),
    ],
)
def test_a_way_to_score_that_is_none_is_told_before_anything_is_spent(
    folder: Path, named: str, fields: tuple[str, ...]
) -> None:
    """With what to write instead."""
    with pytest.raises(ScoreError):
        scorer(named, fields, folder)
