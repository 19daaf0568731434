"""Claims about judging a policy file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.agent.ledger import fresh
from tests.agent.ledger.test_evalbook import MADE

from bursar.agent.commands.check import check_policy
from bursar.agent.ledger import Ledger, evalbook
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


def test_what_evals_allow_is_told(tmp_path: Path) -> None:
    """Of each model below the first of a route's ladder, where the policy asks for an eval: passed, or what to run."""
    text = GOOD.replace("[[budget]]", "requires_eval = true\n[[budget]]", 1)
    text += '[[route]]\nname = "triage"\nladder = ["opus", "claude-haiku-4-5", "claude-haiku-5-5"]\n'
    text += '[[route]]\nname = "free"\nrequires_eval = false\n'
    path, db = written(tmp_path, text), tmp_path / "db"
    made = replace(MADE, candidate="claude-haiku-4-5-20251001", at_ns=5)
    ledger = Ledger(fresh.file(db), clock_ns=lambda: 6)
    ledger.submit(lambda accounts: evalbook.keep(accounts, made)).result()
    ledger.close()
    assert check_policy(path, shipped_book(), db=db, now_ns=6).licences == (
        'Calls of "triage" may be moved to claude-haiku-4-5: its eval passed.',
        'Calls of "triage" stay off claude-haiku-5-5 (no_eval): '
        "run `bursar eval --route triage --candidate claude-haiku-5-5`.",
    )
    later = check_policy(path, shipped_book(), db=db, now_ns=6 + 91 * 86_400 * 10**9).licences
    assert "stay off claude-haiku-4-5 (old_eval)" in later[0]
