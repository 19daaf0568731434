"""Is there a Chromium on this machine, and how is it started?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "there is no Chromium here: `make browser` installs Debian's, or name one in BURSAR_CHROMIUM"


def find() -> str | None:
    """The browser that the environment names, or the first on the path."""
    named = os.environ.get("BURSAR_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def launched() -> Generator[Browser]:
    """A headless browser while the block lasts."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # as root it runs in no other way
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Complaints:
    """What a page's console and scripts complained of: errors, warnings, violations of the policy."""

    def __init__(self, page: Page) -> None:
        self.said: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.type}: {message.text}")
