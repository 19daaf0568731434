"""How much of this prompt is in the cache, and what does the request write? The API's prompt cache, in memory.

An entry is a prefix of blocks. It is written at a mark only, looked for at up to 20 positions back from each mark, and
lives for its time to live from the start of the request that wrote or last read it.
"""

from dataclasses import dataclass
from enum import StrEnum

from bursar.agent.sandbox.marks import ONE_HOUR, Mark

LOOKBACK = 20
_SWEEP_EVERY = 60.0
_NOTHING = -1


class Refresh(StrEnum):
    """What a hit keeps alive: Anthropic's pages do not say whether the shorter prefixes marked under it live on too."""

    ALL = "all"  # what each mark of the request finds
    HIGHEST = "highest"  # only what the request reads up to


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the cache must know of a prompt: for each block, the digest of the prefix that ends there and its tokens."""

    digests: tuple[str, ...]
    ends: tuple[int, ...]
    marks: tuple[Mark, ...]
    min_cache: int

    def end(self, position: int) -> int:
        """Tokens up to and including a position; none before the first."""
        return 0 if position == _NOTHING else self.ends[position]


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a prompt's tokens divide into classes, and what is written once the response begins."""

    input: int
    write_5m: int
    write_1h: int
    read: int
    started: float
    writes: dict[str, int]  # digest to time to live in seconds


@dataclass(slots=True)
class _Entry:
    ttl: int
    expires: float


class PromptCache:
    """All live entries; times are seconds on the caller's clock."""

    def __init__(self, refresh: Refresh = Refresh.ALL) -> None:
        self._entries: dict[str, _Entry] = {}
        self._rule = refresh
        self._next_sweep = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    def look_up(self, prompt: Prompt, started: float) -> Lookup:
        """Find the longest cached prefix, refresh what is hit, and say what is to be written beyond it.

        With the highest hit at A, the last one-hour mark beyond it at B and the last mark at C, the prompt reads A,
        writes B - A for an hour and C - B for five minutes. A prefix below the model's minimum is not cached at all.
        """
        marks = [mark for mark in prompt.marks if prompt.ends[mark.position] >= prompt.min_cache]
        hits = {hit for mark in marks if (hit := self._nearest(prompt, mark.position, started)) is not None}
        top = max(hits, default=_NOTHING)
        for hit in hits if self._rule is Refresh.ALL else hits & {top}:
            self._refresh(prompt.digests[hit], started)
        beyond = [mark for mark in marks if mark.position > top]
        last_1h = max((mark.position for mark in beyond if mark.ttl == ONE_HOUR), default=top)
        last = max((mark.position for mark in beyond), default=top)
        return Lookup(
            input=prompt.end(len(prompt.ends) - 1) - prompt.end(last),
            write_5m=prompt.end(last) - prompt.end(last_1h),
            write_1h=prompt.end(last_1h) - prompt.end(top),
            read=prompt.end(top),
            started=started,
            writes={prompt.digests[mark.position]: mark.ttl for mark in beyond},
        )

    def store(self, lookup: Lookup) -> None:
        """Write the new entries; to be called when the response begins, and not before."""
        self._sweep(lookup.started)
        for digest, ttl in lookup.writes.items():
            entry = _Entry(ttl, lookup.started + ttl)
            self._entries[digest] = max(self._entries.get(digest, entry), entry, key=lambda each: each.expires)

    def _refresh(self, digest: str, started: float) -> None:
        entry = self._entries[digest]
        entry.expires = max(entry.expires, started + entry.ttl)

    def _nearest(self, prompt: Prompt, position: int, now: float) -> int | None:
        for candidate in range(position, max(position - LOOKBACK, _NOTHING), -1):
            entry = self._entries.get(prompt.digests[candidate])
            if entry is not None and now < entry.expires:
                return candidate
        return None

    def _sweep(self, now: float) -> None:
        if now >= self._next_sweep:
            self._entries = {digest: entry for digest, entry in self._entries.items() if now < entry.expires}
            self._next_sweep = now + _SWEEP_EVERY
