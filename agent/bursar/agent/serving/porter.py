"""How many bytes of what is being sent does the agent hold at a time?"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_HELD = 96 * 2**20
"""Bytes of the bodies of all requests that are being answered: more than the largest single one may have."""
SMALL = 64 * 2**10
"""A body of up to so many bytes always has its place: no guard waits because somebody else sends much."""


class CrowdedError(Exception):
    """Others leave no place for this body: it is to be sent again."""


class Porter:
    """
    Counts the bytes of bodies as they come in, and gives them back once their request is answered.

    Each endpoint has a limit for one body; this one is for all of them together, so that many senders at once take no
    more memory than a few. A body that is the only one always has its place.
    """

    def __init__(self, app: ASGIApp, most: int = MOST_HELD, small: int = SMALL) -> None:
        self._app = app
        self._most = most
        self._small = small
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in; reading its body raises `CrowdedError` where there is no place for it."""
        own = 0

        async def counted() -> Message:
            nonlocal own
            message = await receive()
            size = len(message.get("body", b""))
            if own + size > self._small and self._held > own and self._held + size > self._most:
                raise CrowdedError(f"{self._held} bytes of other requests are being taken already: send this again")
            own += size
            self._held += size
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= own
