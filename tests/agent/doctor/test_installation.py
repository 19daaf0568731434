"""Claims about Python, the SDK and the extras."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.agent.doctor.lookedat import FAIL, OK, WARN, around, found

from bursar.agent.doctor import installation
from bursar.agent.doctor.finding import Finding, State

README = Path(__file__).parents[3] / "README.md"


@pytest.mark.parametrize(
    ("version", "state"),
    [("0.107.9", FAIL), ("0.108.0", OK), ("1.14.0", OK), ("2.12.0", OK), ("3.0.0", WARN), ("2.12.0rc1", OK)],
)
def test_versions_of_the_sdk(version: str, state: State) -> None:
    """Middleware came with 0.108; what a next major brings nobody has tried."""
    assert installation.judge_sdk(version).state is state


def test_the_newest_sdk_that_was_tried() -> None:
    """The README names the same; what is newer is supported, and said to be untried."""
    named = re.search(r"the newest that pip offers, last (\d+)\.(\d+)", README.read_text())
    assert named is not None
    assert tuple(map(int, named.groups())) == installation.NEWEST_TRIED
    assert "tried up to 2.14" in installation.judge_sdk("2.12.0").said
    assert "newer than 2.14, the newest that was tried" in installation.judge_sdk("2.99.0").said


@pytest.mark.parametrize(("python", "state"), [((3, 10, 9), FAIL), ((3, 11, 0), OK), ((3, 14, 1), OK)])
def test_the_age_of_python(python: tuple[int, int, int], state: State, tmp_path: Path) -> None:
    """3.11 is the oldest."""
    (seen,) = installation.python(replace(around(tmp_path), python=python))
    assert seen.state is state


WANTED = {"agent": ["click", "rich"], "encrypt": ["cryptography"], "other": ["x"]}


def test_extras_that_are_there_and_not() -> None:
    """With what the missing ones would bring; they are nobody's fault."""
    missing = {"agent": [], "encrypt": ["cryptography"], "other": ["x"]}
    said = "agent; not installed: encrypt (what is put off is kept encrypted), other"
    assert list(installation.judge_extras(WANTED, missing, {})) == [Finding("extras", OK, said)]
    assert next(installation.judge_extras(WANTED, {extra: [] for extra in WANTED}, {})).said == "agent, encrypt, other"


def test_an_extra_in_part() -> None:
    """Something was uninstalled since."""
    missing = {"agent": ["rich"], "encrypt": [], "other": []}
    *_, half = installation.judge_extras(WANTED, missing, {})
    assert half == Finding("extras", WARN, "of agent rich is missing", 'pip install "bursar[agent]"')


def test_a_key_without_what_encrypts() -> None:
    """The agent would not start."""
    missing = {"agent": [], "encrypt": ["cryptography"], "other": []}
    *_, seen = installation.judge_extras(WANTED, missing, {"BURSAR_DEFERRALS_KEY_FILE": "key"})
    assert (seen.state, seen.remedy) == (FAIL, 'pip install "bursar[encrypt]"')


def test_extras_of_this_checkout(tmp_path: Path) -> None:
    """As the distribution says: this environment has the agent's."""
    said = found(installation.extras, tmp_path)["extras"].said
    assert {"agent", "otel"} <= set(re.split(r"[,;] ", said))
