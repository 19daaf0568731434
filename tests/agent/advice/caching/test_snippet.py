"""Claims about snippets: they are code, with each mark where it belongs."""

from __future__ import annotations

import ast

import pytest

from bursar.agent.advice.caching.snippet import marked_call, ordered_call, split_call, unmarked_call
from bursar.policies.cachemarks import Mark


@pytest.mark.parametrize(
    ("marks", "lines"),
    [
        ([Mark("tail")], ['cache_control={"type": "ephemeral"},  # the end of the request']),
        ([Mark("tail", "1h")], ['cache_control={"type": "ephemeral", "ttl": "1h"},  # the end of the request']),
        (
            [Mark("tools", "1h")],
            ["*tools[:-1],", "# tools", '{**tools[-1], "cache_control": {"type": "ephemeral", "ttl": "1h"}},'],
        ),
        ([Mark("tools[2]")], ["*tools[:2],", '{**tools[2], "cache_control": {"type": "ephemeral"}},', "*tools[3:],"]),
        ([Mark("tools[0]"), Mark("tools")], ["# tools[0]", "*tools[1:-1],", "# tools"]),
        ([Mark("system[0]"), Mark("system")], ["{  # system[0]", "{  # system"]),
        ([Mark("messages[0].content[1]")], ["{  # messages[0].content[1]", '"role": messages[0]["role"],']),
        (
            [Mark("system"), Mark("tail")],
            ["{  # system", 'cache_control={"type": "ephemeral"},  # the end of the request'],
        ),
        (
            [Mark("messages[0]", "1h"), Mark("tail")],
            ["# and on the last block of the last message, where it has none:"],
        ),
    ],
)
def test_marks_as_code(marks: list[Mark], lines: list[str]) -> None:
    """
    Each line stands in a call that Python can read, none is too long for a terminal.

    Automatic caching beside another life on what may be the same block would be refused: then it says so in words.
    """
    code = marked_call("claude-opus-5-5", marks)
    found = [line.strip() for line in code.splitlines()]
    assert [line for line in lines if line not in found] == []
    assert max(map(len, code.splitlines())) <= 80
    ast.parse(code.replace("...,\n)", ")").replace("    ...,\n", ""))


def test_what_is_taken_away_is_named() -> None:
    """One line a place."""
    assert unmarked_call(["system", "tail"]) == "# no cache_control on system\n# no cache_control on tail"


@pytest.mark.parametrize(("section", "begins"), [("system", "system=["), ("messages", 'messages=[{"role": "user"')])
def test_a_text_in_two(section: str, begins: str) -> None:
    """The first of both has the mark."""
    code = split_call(section, "SYSTEM", "1h")
    assert code.startswith(begins)
    ast.parse(f"f(\n{code.replace(', *messages[1:]', '')}\n)")
    assert '"cache_control": {"type": "ephemeral", "ttl": "1h"},' in code
    assert code.index("cache_control") < code.index("system_rest")


def test_what_stays_the_same_goes_first() -> None:
    """The mark is on the last of it."""
    assert ordered_call("5m").splitlines() == [
        "system=[",
        "    *steady[:-1],",
        '    {**steady[-1], "cache_control": {"type": "ephemeral"}},',
        "    *changing,",
        "],",
    ]
