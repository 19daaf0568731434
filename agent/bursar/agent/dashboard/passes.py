"""Who may look: which sessions and one-time tickets are good?"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final

SESSION_SECONDS: Final = 12 * 3600
TICKET_SECONDS: Final = 60
LONGEST_TICKET_SECONDS: Final = 3600
MOST_TICKETS: Final = 256
"""That are good at the same time; of more the oldest end."""


class Passes:
    """
    What opens the pages of an agent that has a token, to who cannot show it with every request: a browser.

    A session is its end and a seal over that with the token, so nothing is kept of it, and another token ends all.
    Tickets are kept until they are used or over, and end with the agent.
    """

    def __init__(self, token: str, clock: Callable[[], float], draw: Callable[[], str]) -> None:
        """`clock` is the time in seconds since the epoch, `draw` gives what nobody can guess."""
        self._key = sha256(b"bursar dashboard session\0" + token.encode()).digest()
        self._token = token
        self._clock = clock
        self._draw = draw
        self._tickets: OrderedDict[str, float] = OrderedDict()

    def knows(self, token: str) -> bool:
        """Whether this is the agent's token."""
        return hmac.compare_digest(token.encode(), self._token.encode())

    def session(self) -> str:
        """A new session, to be given to the browser as a cookie."""
        end = str(int(self._clock()) + SESSION_SECONDS)
        return f"{end}.{self._seal(end)}"

    def good(self, session: str) -> bool:
        """Whether a session is one of ours and not over."""
        end, _, seal = session.partition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(end).encode()):
            return False
        return self._clock() < int(end)

    def ticket(self, seconds: float = TICKET_SECONDS) -> str:
        """A name that opens one session, once, within so long; an hour at most."""
        name = self._draw()
        self._tickets[name] = self._clock() + min(seconds, LONGEST_TICKET_SECONDS)
        while len(self._tickets) > MOST_TICKETS:
            self._tickets.popitem(last=False)
        return name

    def redeem(self, ticket: str) -> bool:
        """Use a ticket up; whether it was good."""
        return self._clock() < self._tickets.pop(ticket, 0.0)

    def _seal(self, end: str) -> str:
        return hmac.new(self._key, end.encode(), sha256).hexdigest()
