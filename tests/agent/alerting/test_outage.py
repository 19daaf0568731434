"""Claims about an hour in which nobody takes a message: afterwards each is there once, and every try is kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.agent.alerting.outage import HOUR, Outage, expected


def test_one_message_a_step_after_an_outage(tmp_path: Path) -> None:
    """500, 429 and silence for an hour; four guards cross at once, 2,000 times, over two restarts and a midnight."""
    figures = Outage(tmp_path, crossings=2000, restarts=(HOUR // 4, HOUR * 3 // 4), step=20).run()
    assert figures.taken == Counter(expected())
    assert len(expected()) == 48
    assert (figures.crossings, figures.restarts, figures.taken_during, figures.pending) == (2000, 2, 0, 0)
    assert figures.accepted == 48
    assert figures.tries > 48
    assert {"500", "429", "hangs"} < set(figures.answers)
    assert "refused" not in figures.answers
