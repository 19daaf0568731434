"""Claims about names of routes and models: in an address, in a shell, in a glob, in a bar."""

from __future__ import annotations

import shlex
import sqlite3
from fnmatch import fnmatchcase
from urllib.parse import unquote

import pytest

from bursar.agent.dashboard.routewords import argument, colours, literally, mix, mix_text, path, short_model, shown
from bursar.agent.dashboard.table import Part

NAMES = ("chat", "a/b", "desk:Desk.triage", "was? #1 100%", "größe/日本", "<script>", '"onmouseover="x', "a*b[c]")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_part_of_a_path(name: str) -> None:
    """Whatever it holds, and it comes back as it was."""
    found = path(name)
    assert found.startswith("/routes/")
    assert not set('/?#<>" ') & set(found.removeprefix("/routes/"))
    assert unquote(found.removeprefix("/routes/")) == name


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_word_of_a_command(name: str) -> None:
    assert shlex.split(f"bursar eval --route {argument(name)}") == ["bursar", "eval", "--route", name]


@pytest.mark.parametrize("route", ["chat", "a*b", "what?", "[x]", "module:function"])
def test_a_route_is_taken_literally(route: str) -> None:
    """By both kinds of glob: Python's and SQLite's."""
    glob = literally(route)
    found = sqlite3.connect(":memory:").execute("SELECT ? GLOB ?, ? GLOB ?", [route, glob, f"{route}x", glob])
    assert found.fetchone() == (1, 0)
    assert (fnmatchcase(route, glob), fnmatchcase(f"{route}x", glob)) == (True, False)


def test_calls_without_a_route_have_a_name_too() -> None:
    assert (shown(""), shown("chat")) == ("(no route)", "chat")
    assert (short_model("claude-opus-5-5"), short_model("other")) == ("opus-5-5", "other")


def test_a_mix_is_what_each_model_has_of_the_money() -> None:
    """The dearest first; what cost nothing is left out, and where nothing cost anything there is none."""
    parts = mix({"claude-haiku-5-5": 10, "claude-opus-5-5": 30, "claude-sonnet-5-5": 0}, {"claude-opus-5-5": 1})
    assert parts == (Part("opus-5-5", 0.75, 1), Part("haiku-5-5", 0.25, 8))
    assert mix_text(parts) == "opus-5-5 75%, haiku-5-5 25%"
    assert mix({"claude-opus-5-5": 0}, {}) == mix({}, {}) == ()


def test_the_first_few_have_a_colour_of_their_own() -> None:
    assert colours(str(number) for number in range(9)) == {str(number): number + 1 for number in range(7)}
