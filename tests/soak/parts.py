"""
What is measured already, and what is still to do: a long measurement in parts, each kept once it is there.

Parts are kept by a name of the code that they measured: what is changed is measured anew.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.soak.figure import Progress

ROOT = Path(__file__).parents[2]
MEASURED = ("policies", "instrumentation", "agent", "tests/soak", "tests/whole/scene.py")
KINDS = {".py", ".toml", ".json"}

Measure = Callable[[range], Any]
"""One part, as values that JSON has."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Where parts are kept, if anywhere, and until when new ones are begun, on the monotonic clock."""

    folder: Path | None = None
    until: float = float("inf")

    def measured(self, name: str, run: Measure, seeds: range, size: int, progress: Progress) -> list[Any]:
        """All that is there of these seeds, `size` in a part, in their order: from before, or measured now."""
        parts = split(seeds, size)
        found = {part: kept for part in parts if (kept := self._kept(name, part)) is not None}
        due = [part for part in parts if part not in found]
        progress(len(found), len(parts))
        for part, result in _in_parallel(run, due, lambda: time.monotonic() >= self.until):
            found[part] = result
            self._keep(name, part, result)
            progress(len(found), len(parts))
        return [found[part] for part in parts if part in found]

    def _kept(self, name: str, part: range) -> Any:
        """None where nothing is."""
        try:
            return json.loads(self._path(name, part).read_text()) if self.folder is not None else None
        except FileNotFoundError:
            return None

    def _keep(self, name: str, part: range, result: Any) -> None:
        if self.folder is not None:
            path = self._path(name, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(json.dumps(result))
            new.rename(path)

    def _path(self, name: str, part: range) -> Path:
        assert self.folder is not None
        return self.folder / code() / f"{name}-{part.start}-{part.stop}.json"


NOTHING_KEPT = Parts()


def split(seeds: range, size: int) -> list[range]:
    """These seeds in parts that begin at multiples of `size`, so that longer ranges have those of shorter ones."""
    edges = [seeds.start, *range(seeds.start - seeds.start % size + size, seeds.stop, size), seeds.stop]
    return [range(*edge) for edge in pairwise(edges)]


@cache
def code() -> str:
    """A name for what is measured, and for what measures it."""
    found = hashlib.sha256()
    for path in sorted(path for part in MEASURED for path in _files(ROOT / part)):
        found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def _files(path: Path) -> Iterator[Path]:
    return (one for one in (path.rglob("*") if path.is_dir() else (path,)) if one.suffix in KINDS)


def _in_parallel(run: Measure, due: Sequence[range], over: Callable[[], bool]) -> Iterator[tuple[range, Any]]:
    """Each part as it is done, one on each core; but for the first ones none is begun any more when it is over."""
    if len(due) == 1:
        yield due[0], run(due[0])
        return
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn"), initializer=_begin) as pool:
        under_way = {pool.submit(run, part): part for part in due[:cores]}
        left = iter(due[cores:])
        while under_way:
            for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                yield under_way.pop(done), done.result()
                if not over() and (part := next(left, None)) is not None:
                    under_way[pool.submit(run, part)] = part


def _begin() -> None:
    logging.disable()  # of journals that are adopted, thousands of times
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
