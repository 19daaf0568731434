"""Which journals did processes leave behind that no agent has taken up yet?"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def waiting(folder: Path) -> list[Path]:
    """
    Journals whose owner is dead: nobody holds their lock. Empty where there is no such folder.

    One that cannot be opened counts as waiting, since the agent could not take it up either.
    """
    return [path for path in sorted(folder.glob("*.jsonl")) if _ownerless(path)]


def _ownerless(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return path.exists()
