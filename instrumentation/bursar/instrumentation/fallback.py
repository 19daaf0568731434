"""What is a model estimated by that the price book does not have, without keeping a call waiting for the answer?"""

from __future__ import annotations

import threading
from datetime import date
from importlib.util import find_spec

from bursar.policies.book import ModelPrices
from bursar.policies.shipped.genai import look_up


class Estimator:
    """
    An installed genai-prices, loaded in the background the first time that it is asked for.

    Loading takes up to a second; until it is done, and where there is none, the answer is that nothing is known.
    """

    def __init__(self) -> None:
        self._loading: threading.Thread | None = None
        self._lock = threading.Lock()

    def __call__(self, name: str, day: date) -> ModelPrices | None:
        """A `book.Fallback`."""
        loading = self._loading
        if loading is None:
            self._load(day)
            return None
        return None if loading.is_alive() else look_up(name, day)

    def _load(self, day: date) -> None:
        with self._lock:
            if self._loading is None:
                self._loading = threading.Thread(target=look_up, args=("", day), name="bursar-prices", daemon=True)
                self._loading.start()


def estimator() -> Estimator | None:
    """One, if genai-prices is installed here."""
    return Estimator() if find_spec("genai_prices") is not None else None
