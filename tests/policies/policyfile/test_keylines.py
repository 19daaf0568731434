"""Key lines: where in a TOML text each key stands."""

from __future__ import annotations

import pytest

from bursar.policies.policyfile.keylines import Path, key_lines, line_of

TEXT = '''\
# a comment
version = 1
ladder = [
  "a",
]
note = """
mode = "inside a text"
"""

[[budget]]
name = "one" # [budget.at] in a comment
[budget.at]
"80%" = "block"
'50 % ' = "alert log"

[[ budget ]] # another
match.route = "support.*"
[ budget.at ]
"80%" = "block"
[route]
"say \\"hi\\"" = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("version",), 2),
        (("ladder",), 3),
        (("note",), 6),
        (("mode",), None),
        (("budget",), 10),
        (("budget", 0), 10),
        (("budget", 0, "name"), 11),
        (("budget", 0, "at"), 12),
        (("budget", 0, "at", "80%"), 13),
        (("budget", 0, "at", "50 % "), 14),
        (("budget", 0, "limit"), 10),
        (("budget", 1), 16),
        (("budget", 1, "match", "route"), 17),
        (("budget", 1, "match"), 17),
        (("budget", 1, "at", "80%"), 19),
        (("budget", 1, "at", "90%"), 18),
        (("budget", 2, "name"), 10),
        (("route", "name"), 20),
        (("channel", 0), None),
        ((), None),
    ],
)
def test_a_key_is_found_where_it_is_written(path: Path, line: int | None) -> None:
    """And what is missing, at the nearest table around it."""
    assert line_of(key_lines(TEXT), path) == line


def test_a_text_that_is_no_toml_still_has_lines() -> None:
    """Since that is when they are asked for."""
    assert key_lines("[[budget\nname = \n[budget.at]\n") == {("name",): 2, ("budget", "at"): 3}


def test_a_table_before_its_array_is_no_element_of_it() -> None:
    """[budget.at] above the first [[budget]] belongs to none."""
    assert key_lines('[budget.at]\n"80%" = 1\n[[budget]]\n') == {
        ("budget", "at"): 1,
        ("budget", "at", "80%"): 2,
        ("budget",): 3,
        ("budget", 0): 3,
    }
