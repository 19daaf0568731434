"""How a call can be made: with which tracing, and with or without Bursar."""

from __future__ import annotations

from enum import StrEnum


class Way(StrEnum):
    """A way of calling, by the word that the command line knows it by."""

    BARE = "bare"
    SDK = "sdk"
    BURSAR = "bursar"
    OWN_SPAN = "own-span"
    PRINTS = "prints"

    @property
    def traced(self) -> bool:
        """Whether the SDK traces by itself (`open_telemetry={}`, else False)."""
        return self in (Way.SDK, Way.BURSAR, Way.PRINTS)

    @property
    def instrumented(self) -> bool:
        """Whether Bursar is on."""
        return self in (Way.BURSAR, Way.OWN_SPAN, Way.PRINTS)

    @property
    def heading(self) -> str:
        """How a table's head names it."""
        return _HEADINGS[self]


_HEADINGS = {
    Way.BARE: "bare",
    Way.SDK: "SDK's tracing",
    Way.BURSAR: "and Bursar",
    Way.OWN_SPAN: "Bursar alone",
    Way.PRINTS: "fingerprints",
}
