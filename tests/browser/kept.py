"""`bursar demo --keep --json`, as anybody would start it, and what it prints at its end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PATIENCE_SECONDS = 110.0
_LINK = re.compile(r"http://\S+/enter\?ticket=\S+")
_EXPORT = re.compile(r"(BURSAR_\w+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Kept:
    """A demo that is over and still runs."""

    link: str
    """Lets one browser in, once."""
    url: str
    token: str
    environ: dict[str, str]
    """What it says to export in another terminal."""
    report: dict[str, Any]
    """How it went."""


@contextmanager
def kept_demo(folder: Path) -> Generator[Kept]:
    """Play it to its end, and leave it running while the block lasts; it must end well."""
    out, report = folder / "demo.out", folder / "demo.json"
    with out.open("wb") as said, report.open("wb") as reported:
        process = subprocess.Popen(
            [sys.executable, "-m", "bursar.agent", "demo", "--keep", "--json"],
            stdout=reported,
            stderr=said,
            env={**os.environ, "COLUMNS": "100"},
            preexec_fn=_interruptible,
        )
    try:
        yield _read(out, report, process)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(_PATIENCE_SECONDS)
    assert code == 0


def _interruptible() -> None:
    """Tests that run in the background inherit that Ctrl-C is ignored; the demo must end by it all the same."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _read(out: Path, report: Path, process: subprocess.Popen[bytes]) -> Kept:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        text = out.read_text()
        environ = dict(_EXPORT.findall(text))
        link = _LINK.search(text)
        if link is not None and "BURSAR_TOKEN_FILE" in environ and text.endswith("\n"):
            token = Path(environ["BURSAR_TOKEN_FILE"]).read_text().strip()
            return Kept(link.group(), environ["BURSAR_AGENT"], token, environ, json.loads(report.read_text()))
        time.sleep(0.1)
    raise AssertionError(f"the demo did not come to its end:\n{out.read_text()[-2_000:]}")
