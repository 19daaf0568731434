"""Calls once, leaves a file with its process id, and stays until it is killed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import anthropic

from bursar.instrumentation import flush

anthropic.Anthropic().messages.create(
    model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": "Stay."}]
)
flush(30)
Path("draft").write_text(str(os.getpid()))
Path("draft").rename("lingering")
threading.Event().wait()
