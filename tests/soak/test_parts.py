"""A long measurement is done in parts; what is there is not measured again, unless the code is another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.soak import parts
from tests.soak.figure import silently
from tests.soak.parts import NOTHING_KEPT, Parts, split


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        (range(20), [range(10), range(10, 20)]),
        (range(25), [range(10), range(10, 20), range(20, 25)]),
        (range(7, 12), [range(7, 10), range(10, 12)]),
        (range(3, 4), [range(3, 4)]),
        (range(10, 20), [range(10, 20)]),
    ],
)
def test_parts_begin_at_multiples(seeds: range, expected: list[range]) -> None:
    """So a longer range has the parts of a shorter one."""
    assert split(seeds, 10) == expected


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The second run measures the second part alone, and has both."""
    measured: list[range] = []

    def run(seeds: range) -> int:
        measured.append(seeds)
        return sum(seeds)

    assert Parts(tmp_path).measured("sums", run, range(10), 10, silently) == [45]
    assert Parts(tmp_path).measured("sums", run, range(20), 10, silently) == [45, 145]
    assert measured == [range(10), range(10, 20)]


def test_what_is_changed_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of other code, or of another name, counts for nothing."""
    assert Parts(tmp_path).measured("sums", sum, range(10), 10, silently) == [45]
    assert Parts(tmp_path).measured("others", len, range(10), 10, silently) == [10]
    monkeypatch.setattr(parts, "code", lambda: "other")
    assert Parts(tmp_path).measured("sums", len, range(10), 10, silently) == [10]


def test_when_time_is_up_nothing_more_is_begun() -> None:
    """Each core's first part is measured in any case."""
    found = Parts(until=0).measured("sums", sum, range(1_000), 10, silently)
    assert found == [sum(part) for part in split(range(1_000), 10)[: os.cpu_count()]]


def test_without_a_folder_all_is_measured() -> None:
    """And nothing is kept."""
    assert NOTHING_KEPT.measured("sums", sum, range(10), 10, silently) == [45]
    assert NOTHING_KEPT.measured("sums", len, range(10), 10, silently) == [10]
