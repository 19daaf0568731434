"""What differs between two runs of the same tests, and which of it must."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.sdk.outcomes import Outcome

ABSENT = "not run"


@dataclass(frozen=True)
class Known:
    """A difference by design: these tests passed, and fail in these words and no others."""

    tests: str
    """A regular expression that the whole node id matches."""
    words: str
    """A regular expression that the whole of the failure's difference matches."""
    reason: str


@dataclass(frozen=True)
class Difference:
    """One test that went otherwise."""

    test: str
    before: str
    after: str
    words: str

    def is_by(self, known: Known) -> bool:
        """Whether this is that difference by design."""
        return (
            (self.before, self.after) == ("passed", "failed")
            and re.fullmatch(known.tests, self.test) is not None
            and re.fullmatch(known.words, self.words, re.DOTALL) is not None
        )


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side."""

    tests: int
    identical: int
    failing: tuple[str, ...]
    """Tests that fail in both, which makes them identical too."""
    by_design: Mapping[Known, tuple[Difference, ...]]
    differing: tuple[Difference, ...]


def compare(bare: Mapping[str, Outcome], active: Mapping[str, Outcome], known: Sequence[Known]) -> Comparison:
    """Every test of either run, by its node id."""
    tests = sorted(bare.keys() | active.keys())
    found = [difference for test in tests if (difference := _difference(test, bare.get(test), active.get(test)))]
    by_design = {each: tuple(difference for difference in found if difference.is_by(each)) for each in known}
    covered = {difference.test for differences in by_design.values() for difference in differences}
    failing = {test for test, outcome in bare.items() if outcome.was == "failed"}
    return Comparison(
        tests=len(tests),
        identical=len(tests) - len(found),
        failing=tuple(sorted(failing - {difference.test for difference in found})),
        by_design=by_design,
        differing=tuple(difference for difference in found if difference.test not in covered),
    )


def _difference(test: str, bare: Outcome | None, active: Outcome | None) -> Difference | None:
    before, after = (outcome.was if outcome else ABSENT for outcome in (bare, active))
    told = active if active is not None and active.was != "passed" else bare
    return None if before == after else Difference(test, before, after, told.words if told else "")
