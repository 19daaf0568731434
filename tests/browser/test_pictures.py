"""The README's pictures, taken of the demo: `make pictures` keeps them, other runs see that they can be taken."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.chromium import MISSING, find

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(find() is None, reason=MISSING),
]

FOLDER = os.environ.get("BURSAR_PICTURES")
"""Where they are kept; then what the agent works out two minutes after its start is waited for as well."""
ADVICE_SECONDS = 240
WIDTH = 1280


@dataclass(frozen=True, slots=True)
class Picture:
    """One page: where it is, how it is lit, how much of it is shown."""

    name: str
    path: str
    theme: str
    height: int
    waits_for: str
    """What stands on the page once it is whole."""
    click: str = ""
    """What leads there from `path`."""


PICTURES = (
    Picture("dashboard-now", "/", "light", 1020, "#decisions"),
    Picture("dashboard-route", "/routes/support.answer", "dark", 1240, ".plot canvas"),
    Picture(
        "dashboard-call", "/budgets/support-day", "light", 900, "main h1", "#decisions tbody tr:has-text('block') a"
    ),
)


@pytest.mark.timeout(ADVICE_SECONDS + 120)
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_taken(page: Page, picture: Picture, tmp_path: Path) -> None:
    """Whole, as wide as it should be, and of what it is named after."""
    page.emulate_media(color_scheme=picture.theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": WIDTH, "height": picture.height})
    page.goto(picture.path)
    if picture.click:
        page.locator(picture.click).first.click()
    expect(page.locator(picture.waits_for).first).to_be_visible()
    if FOLDER is not None and not picture.click:
        _until(lambda: "No advice was worked out" not in page.locator("main").inner_text(), page)
    expect(page.locator("#live")).to_have_text("live")
    file = Path(FOLDER or tmp_path) / f"{picture.name}.png"
    page.screenshot(path=file, animations="disabled")
    kind, width, height = struct.unpack(">8s8xII", file.read_bytes()[:24])
    assert (kind, width, height) == (b"\x89PNG\r\n\x1a\n", WIDTH, picture.height)


def _until(true: Callable[[], bool], page: Page) -> None:
    end = time.monotonic() + ADVICE_SECONDS
    while not true():
        assert time.monotonic() < end, "no advice was kept in time"
        time.sleep(2)
        page.reload()
