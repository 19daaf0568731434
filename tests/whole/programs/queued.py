"""A Celery application that sends itself six tasks once it is ready; each calls, and notes its process in a file."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import anthropic

FOLDER = Path(os.environ["QUEUE_FOLDER"])
TASKS = 6

# Celery is not typed.
app: Any = import_module("celery").Celery("queued", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": str(FOLDER), "data_folder_out": str(FOLDER)}


def ask() -> None:
    """One call."""
    anthropic.Anthropic().messages.create(
        model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": "What is to be done?"}]
    )
    with (FOLDER / "asked.txt").open("a") as file:
        file.write(f"{os.getpid()}\n")


def send(**_: Any) -> None:
    """The worker takes tasks from here on."""
    for _number in range(TASKS):
        task.delay()


task: Any = app.task(ask)
import_module("celery.signals").worker_ready.connect(send)
