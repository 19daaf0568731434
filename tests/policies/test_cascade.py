"""A stage: an attempt's place in a cascade, as it crosses the wall."""

from __future__ import annotations

import pytest

from bursar.policies.cascade import Stage, stage_from_json


def test_a_stage_is_read_from_its_fields() -> None:
    """Fields of a later version are passed over, a reason may be absent, and what is no text becomes one."""
    fields = {"cascade": "k1", "name": "strong", "strong": "opus", "why": "max_tokens", "later": 1}
    assert stage_from_json(fields) == Stage("k1", "strong", "opus", "max_tokens")
    assert stage_from_json({"cascade": "k1", "name": "cheap", "strong": 5}) == Stage("k1", "cheap", "5", "")
    assert stage_from_json(None) is None


@pytest.mark.parametrize("missing", ["cascade", "name", "strong"])
def test_a_stage_without_one_of_its_names_is_none(missing: str) -> None:
    """The reader of a record makes a sentence of it."""
    fields = {"cascade": "k1", "name": "cheap", "strong": "opus"}
    del fields[missing]
    with pytest.raises(KeyError):
        stage_from_json(fields)
