"""Names for processes, calls and attempts: unique without asking anybody, cheap enough for every call."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable


class Ids:
    """A random prefix per incarnation of a process, and a counter. A forked child makes its own."""

    def __init__(self, random_hex: Callable[[int], str] = secrets.token_hex) -> None:
        self.holder = random_hex(8)
        self.prefix = f"{self.holder}-"
        self._count = itertools.count(1)

    def attempt(self) -> str:
        """An attempt's id: the holder's, and a number."""
        return f"{self.prefix}{next(self._count):x}"

    def call(self) -> str:
        """A call's id."""
        return f"{self.prefix}c{next(self._count):x}"

    def cascade(self) -> str:
        """The id that the calls of a cascade share."""
        return f"{self.prefix}k{next(self._count):x}"
