"""Claims about judging a policy file."""

from __future__ import annotations

from pathlib import Path

from bursar.agent.commands.check import check_policy
from bursar.policies.prices import shipped_book

GOOD = """\
version = 1
mode = "enforce"
ladder = ["claude-opus-5-5", "claude-haiku-9"]
[[budget]]
name = "day"
limit = "5 USD"
every = "day"
[budget.at]
"100%" = "block"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bursar.toml"
    path.write_text(text)
    return path


def test_a_good_file_is_described(tmp_path: Path) -> None:
    """With a warning for the model that has no price, and nothing else."""
    checked = check_policy(written(tmp_path, GOOD), shipped_book())
    assert checked.mistakes == ()
    assert 'Budget "day": 5.00 USD every day, for all calls.' in checked.description
    assert len(checked.warnings) == 1
    assert "claude-haiku-9" in checked.warnings[0]
    assert checked.to_json()["ok"] is True


def test_aliases_are_known_models(tmp_path: Path) -> None:
    """A ladder may name a model as the API's aliases do."""
    book = shipped_book()
    alias = next(alias for model in book.models for alias in model.aliases)
    assert check_policy(written(tmp_path, GOOD.replace("claude-haiku-9", alias)), book).warnings == ()


def test_mistakes_are_all_told(tmp_path: Path) -> None:
    """Each with its line, key, problem and remedy."""
    path = written(tmp_path, GOOD.replace("enforce", "enforc").replace("block", "blok"))
    checked = check_policy(path, shipped_book())
    assert [(mistake.line, mistake.path) for mistake in checked.mistakes] == [
        (2, "mode"),
        (9, 'budget[0] "day".at."100%"'),
    ]
    told = checked.to_json()
    assert told["ok"] is False
    assert told["file"] == str(path)
    assert 'did you mean "enforce"?' in told["mistakes"][0]["remedy"]
    assert told["description"] == ()


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Told as a mistake of the file, not as a crash."""
    path = tmp_path / "bursar.toml"
    path.write_bytes(b"\xff\xfe")
    (mistake,) = check_policy(path, shipped_book()).mistakes
    assert "no UTF-8 text" in mistake.problem
