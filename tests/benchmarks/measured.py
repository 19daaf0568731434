"""
How much memory did one command take at its peak? `python -m tests.benchmarks.measured FILE advise --json …`

Written into the file in kilobytes, by the process itself: what the system tells its parent counts the parent's own
memory in, of which a child is a copy before it becomes another program.
"""

from __future__ import annotations

import resource
import runpy
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_kilobytes() -> int:
    """The most that this program has had at once."""
    if _STATUS.exists():
        (line,) = (one for one in _STATUS.read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # where it is told in bytes


if __name__ == "__main__":
    told = Path(sys.argv.pop(1))
    try:
        runpy.run_module("bursar.agent", run_name="__main__", alter_sys=True)
    finally:
        told.write_text(str(peak_kilobytes()))
