"""Claims about dismissals: kept by the recommendation's id, in place of what was known of it, and taken back."""

from __future__ import annotations

from dataclasses import replace

from tests.agent.ledger import fresh

from bursar.agent.ledger.verdictbook import Dismissal, dismiss, dismissals, restore

ONE = Dismissal("a1b2c3d4", "support", "claude-opus-5-5", 5, "we know", "ada", "Mark system.")


def test_a_dismissal_is_kept_until_it_is_taken_back() -> None:
    """The latest reason counts; marks that were in force under the id are so no more; what is not dismissed is not."""
    db = fresh.ledger()
    db.conn.execute("INSERT INTO verdicts VALUES ('a1b2c3d4', 'r', 'm', 'pulled', 1, '', 'auto', '{}')")
    db.conn.execute("INSERT INTO verdicts VALUES ('ffffffff', 'r', 'm', 'kept', 1, '', 'auto', '{}')")
    dismiss(db, ONE)
    dismiss(db, replace(ONE, reason="later"))
    assert dismissals(db) == {ONE.id: replace(ONE, reason="later")}
    assert (restore(db, ONE.id), restore(db, ONE.id), restore(db, "ffffffff")) == (True, False, False)
    assert dismissals(db) == {}
