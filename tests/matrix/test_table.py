"""The page of the matrix says what the cases come to today."""

from __future__ import annotations

import re

import anthropic
import pytest
from tests.matrix.case import Told
from tests.matrix.cases import CASES, EVERY_CASE
from tests.matrix.conditions import HAS_AGENT
from tests.matrix.table import PAGE, count, differing, number, page, several, tokens

pytestmark = pytest.mark.xdist_group("matrix")


def test_the_page_is_up_to_date() -> None:
    """Word for word on the version it was written for; on others it has a row for each of their cases."""
    written = PAGE.read_text()
    if f"on anthropic {anthropic.__version__}." in written.splitlines()[0] and HAS_AGENT:
        assert page() == written, "run python -m tests.matrix.table"
    rows = re.findall(r"^\| ([a-z]\w*) \| \d", written, re.MULTILINE)
    assert {case.name for case in CASES} <= set(rows) <= {case.name for case in EVERY_CASE}


def test_cells() -> None:
    """Commas, dashes, counts, and a mark for failure."""
    assert number(22_370_000) == "22,370,000"
    assert tokens(Told(2600, None, 5)) == "2,600/–"
    assert count([Told(), Told(failed=True)]) == "2 !"
    assert differing("1", "1") == "1"
    assert differing("1", "0") == "1<br>0"
    assert several(["a", "b", "a"]) == "2 × a; b"
    assert several([]) == "–"
