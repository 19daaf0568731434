"""Claims about the state folder, journals and the ledger."""

from __future__ import annotations

from pathlib import Path

from tests.agent.doctor.lookedat import FAIL, WARN, found

from bursar.agent.doctor import files


def test_a_state_folder_that_is_a_file(tmp_path: Path) -> None:
    """Journals could not be written."""
    (tmp_path / "state").touch()
    assert found(files.state_folder, tmp_path)["state folder"].state is FAIL


def test_journals_and_a_broken_ledger(tmp_path: Path) -> None:
    """What waits is counted; a file that is no ledger fails."""
    state = tmp_path / "state"
    (state / "journal").mkdir(parents=True)
    (state / "journal" / "h1.jsonl").touch()
    (state / "bursar.sqlite").write_text("no ledger at all, only words that go on for a while" * 10)
    journals = found(files.journals, tmp_path)["journals"]
    assert (journals.state, journals.said) == (WARN, f"1 wait in {state / 'journal'}")
    assert found(files.ledger, tmp_path)["ledger"].state is FAIL
