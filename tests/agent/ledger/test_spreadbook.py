"""Claims about how times and lengths of answers lie: told by hand-derived quantiles."""

from __future__ import annotations

from tests.agent.ledger import fresh
from tests.agent.ledger.summed import ALL, charge, told

from bursar.agent.ledger import spreadbook
from bursar.agent.ledger.spreadbook import Bucket, Spread


def test_quantiles() -> None:
    """
    Of 0.5, 1, 2 and 1000 ms: 1000 lies from 2^(39/4) to 2^10, whose middle is 2^(39.5/4), 939.

    A correction takes what it corrects out.
    """
    with fresh.ledger() as db:
        told(db, *(charge(f"{ms}", 1, duration_ms=ms) for ms in (0.5, 1, 2, 1000)))
        found = spreadbook.spread(db, "duration", *ALL)
        assert [found.quantile(q) for q in (0, 0.25, 0.26, 0.5, 0.75, 0.76, 1)] == [0, 0, 1, 1, 2, 939, 939]
        assert found.buckets[1] == Bucket(1.0, 2**0.25, 1)
        assert (found.buckets[0].low, found.buckets[0].high) == (0, 1)
        assert Spread().quantile(0.5) is None
        assert spreadbook.spread(db, "duration", *ALL, route="desk") == found
        assert spreadbook.spreads_by_route(db, "duration", *ALL) == {"desk": found}
        assert spreadbook.spread(db, "first_token", *ALL) == Spread()
