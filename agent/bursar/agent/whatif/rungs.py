"""Which models stand below one on a ladder?"""

from __future__ import annotations

from collections.abc import Sequence

from bursar.policies.prices import PriceBook


def below(model: str, ladder: Sequence[str], book: PriceBook) -> tuple[str, ...]:
    """The rungs under it, the next one first; none for a model that the ladder does not have, by any of its names."""
    here = book.find(model)
    for position, rung in enumerate(ladder):
        if rung == model or (here is not None and book.find(rung) == here):
            return tuple(ladder[position + 1 :])
    return ()
