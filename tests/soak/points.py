"""Where may a process die? Functions of the product are wrapped from outside, and the chosen passage is the last."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterable
from typing import Any


class Points:
    """Counts every passage into and out of the wrapped functions, and kills this process at the one that is chosen."""

    def __init__(self) -> None:
        self.passed = 0
        self._fatal = 0
        self._tell = -1

    def arm(self, fatal: int, tell: int) -> None:
        """From now on count; die at passage `fatal` (0: at none), its name written to the descriptor `tell`."""
        self.passed, self._fatal, self._tell = 0, fatal, tell

    def wrap(self, owner: Any, names: Iterable[str]) -> None:
        """Make the ways into and out of these functions points."""
        for name in names:
            setattr(owner, name, self._wrapped(getattr(owner, name), f"{owner.__name__}.{name}"))

    def tear(self, owner: Any, name: str, half: Callable[..., object]) -> None:
        """Make a function also a point at which only half of its work was done."""
        whole = getattr(owner, name)

        @functools.wraps(whole)
        def torn(*given: Any, **named: Any) -> Any:
            if self._due():
                half(*given, **named)
                self._die(f"amid {owner.__name__}.{name}")
            return whole(*given, **named)

        setattr(owner, name, torn)

    def _wrapped(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def passing(*given: Any, **named: Any) -> Any:
            self._pass(f"before {name}")
            try:
                return function(*given, **named)
            finally:
                self._pass(f"after {name}")

        return passing

    def _pass(self, name: str) -> None:
        if self._due():
            self._die(name)

    def _due(self) -> bool:
        self.passed += 1
        return self.passed == self._fatal

    def _die(self, name: str) -> None:
        os.write(self._tell, f"{name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
