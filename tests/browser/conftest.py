"""One browser for all tests here, and one window of somebody who is in for each."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from tests.browser.chromium import Complaints, launched
from tests.browser.kept import Kept

from bursar.agent.commands.dashboard import link


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """A Chromium. It must end before tests of other rooms begin: while it runs, no `asyncio.run` works beside it."""
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def session(browser: Browser, demo: Kept) -> dict[str, object]:
    """The state of a browser that came in by a link, as `bursar dashboard` makes them."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(link(demo.url, Path(demo.environ["BURSAR_TOKEN_FILE"])))
        page.wait_for_url(f"{demo.url}/")
        return dict(context.storage_state())


@pytest.fixture
def context(browser: Browser, demo: Kept, session: dict[str, object]) -> Generator[BrowserContext]:
    """A window of somebody who is in."""
    with browser.new_context(storage_state=session, base_url=demo.url) as made:  # type: ignore[arg-type]
        made.set_default_timeout(20_000)
        yield made


@pytest.fixture
def page(context: BrowserContext) -> Generator[Page]:
    """A page, which must not have complained at the end."""
    made = context.new_page()
    complaints = Complaints(made)
    yield made
    assert complaints.said == []
