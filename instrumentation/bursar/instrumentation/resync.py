"""Where do two texts first differ, and where do they go on alike?"""

from __future__ import annotations

import re
from collections import Counter

from bursar.instrumentation.breakcause import Stretch

WORDS = 4
"""So many words alike are no chance."""
WITHIN = 6_000
"""Characters in which they are looked for."""
_word = re.compile(r"\w+|[^\w\s]")


def first_stretch(old: str, new: str) -> Stretch:
    """The first stretch in which two different texts differ, and no more of them than that."""
    start = common_start(old, new)
    most = min(len(old), len(new)) - start
    tail = common_start(old[: len(old) - most - 1 : -1], new[: len(new) - most - 1 : -1]) if most else 0
    whole = Stretch(old, new, start, len(old) - tail, len(new) - tail)
    found = _meeting(old, new, start)
    if found is None or found[1] >= whole.new_end:
        return whole
    return Stretch(old, new, start, *found)


def common_start(one: str, other: str) -> int:
    """How many characters both begin with; by halves, since comparing slices is quick."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def same_behind(stretch: Stretch) -> int:
    """Characters behind the stretch that are in both: all, where they go on alike, else those of the same lines."""
    old, new = stretch.old[stretch.old_end :], stretch.new[stretch.new_end :]
    if old == new:
        return len(new)
    tail = common_start(old[::-1], new[::-1])
    head = common_start(old, new)
    lines = Counter(new.split("\n")) & Counter(old.split("\n"))
    return min(len(new), max(head + tail, sum(len(line) * times for line, times in lines.items())))


def _meeting(old: str, new: str, start: int) -> tuple[int, int] | None:
    """Where the first words behind `start` that both have begin in each."""
    begin = start
    while begin > 0 and (new[begin - 1].isalnum() or new[begin - 1] == "_"):
        begin -= 1
    ours = list(_word.finditer(new, begin, begin + WITHIN))
    theirs = list(_word.finditer(old, begin, begin + WITHIN))
    places: dict[tuple[str, ...], int] = {}
    for place in range(len(theirs) - WORDS, 0, -1):
        places[_run(theirs, place)] = place
    for place in range(1, len(ours) - WORDS + 1):
        there = places.get(_run(ours, place))
        if there is not None:
            return _touching(old, new, start, theirs[there].start(), ours[place].start())
    return None


def _touching(old: str, new: str, start: int, old_end: int, new_end: int) -> tuple[int, int]:
    """What is alike right before counts to what goes on, as far as the stretch allows."""
    while old_end > start and new_end > start and old[old_end - 1] == new[new_end - 1]:
        old_end, new_end = old_end - 1, new_end - 1
    return old_end, new_end


def _run(words: list[re.Match[str]], place: int) -> tuple[str, ...]:
    return tuple(word.group() for word in words[place : place + WORDS])
