"""Claims about a page that is left open: it moves without a flicker, does nothing unseen, and does not grow."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect
from tests.browser.chromium import MISSING, find
from tests.browser.kept import Kept
from tests.browser.test_pages import one_more_call

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(find() is None, reason=MISSING),
]

REFRESH = "htmx.ajax('GET', location.pathname, {target: '#page', select: '#page', swap: 'outerMorph'})"
WATCH = """() => {
    window.swaps = 0; window.taken = [];
    document.addEventListener("htmx:after:swap", () => { window.swaps += 1; });
    const watch = new MutationObserver((changes) => changes.forEach((change) => change.removedNodes.forEach((node) => {
        if (node.nodeType === 1 && node.matches(".plot, .uplot, canvas, .tile")) window.taken.push(node.className);
    })));
    const parts = document.querySelectorAll(".burndown, .tiles");
    parts.forEach((part) => watch.observe(part, { childList: true, subtree: true }));
}"""
PLACE = "document.activeElement.getBoundingClientRect().top"
HELD = ("JSEventListeners", "Nodes", "JSHeapUsedSize")
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def opened(page: Page) -> None:
    """The first page, live, its charts drawn."""
    page.goto("/")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator(".burndown canvas").first).to_be_visible()


def calls(page: Page) -> Locator:
    """How many there were today."""
    return page.locator(".tile", has=page.get_by_text("Calls", exact=True)).locator("strong")


def test_a_refresh_leaves_what_is_there(page: Page, demo: Kept) -> None:
    """Charts are given new figures and not drawn anew; the link in focus stays so, and where it is on the screen."""
    opened(page)
    page.evaluate(WATCH)
    link = page.locator("#decisions tbody a").first
    link.focus()
    href, place = link.get_attribute("href") or "", page.evaluate(PLACE)
    before = calls(page).inner_text()
    one_more_call(demo, "support.answer")
    expect(calls(page)).not_to_have_text(before)
    assert page.evaluate("swaps") > 0
    assert page.evaluate("taken") == []
    expect(page.locator(":focus")).to_have_attribute("href", href)
    assert page.evaluate(PLACE) == pytest.approx(place, abs=2)


def test_a_page_that_nobody_sees_does_nothing(page: Page, demo: Kept) -> None:
    """It asks for nothing, whatever comes in, and holds no line; seen again, it is up to date at once."""
    opened(page)
    before = calls(page).inner_text()
    page.evaluate(HIDE, True)
    expect(page.locator("#live")).to_have_text("paused")
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    one_more_call(demo, "support.answer")
    page.wait_for_timeout(3_000)  # longer than a page waits between two refreshes
    assert asked == []
    assert calls(page).inner_text() == before
    page.evaluate(HIDE, False)
    expect(page.locator("#live")).to_have_text("live")
    expect(calls(page)).not_to_have_text(before)


def test_a_step_back_is_live_too(page: Page) -> None:
    """It says so at once, its chart is drawn, and its button for light and dark works."""
    page.goto("/routes")
    expect(page.locator("#live")).to_have_text("live")
    page.locator("#routes th a", has_text="Calls").click()
    page.wait_for_url("**sort=**")
    page.go_back()
    expect(page).not_to_have_url(re.compile("sort="))
    expect(page.locator("th[aria-sort]")).to_have_text("Cost")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator(".plot canvas").first).to_be_visible()
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_session_that_ends_under_a_page_leads_to_the_door(context: BrowserContext) -> None:
    """The browser goes there as a whole, and the form knows the way back; it never stands inside the page."""
    page = context.new_page()
    page.goto("/budgets?span=7d")
    expect(page.locator("#live")).to_have_text("live")
    context.clear_cookies()
    page.evaluate(REFRESH.replace("location.pathname", "location.pathname + location.search"))
    page.wait_for_url("**/enter?next=%2Fbudgets%3Fspan%3D7d")
    expect(page.get_by_label("The agent's token")).to_be_focused()


def test_a_page_that_cannot_be_read_anew_stays_and_says_so(context: BrowserContext) -> None:
    """A refusal of the agent is not put in its place; once it answers again the page is live."""
    page = context.new_page()
    page.goto("/budgets")
    expect(page.locator("#live")).to_have_text("live")
    page.route("**/budgets", lambda route: route.fulfill(status=503, body='<main id="page">no</main>'))
    page.evaluate(HIDE, True)
    page.evaluate(HIDE, False)
    expect(page.locator("#live")).to_have_text("behind")
    expect(page.locator("h1")).to_have_text("Budgets")
    page.unroute("**/budgets")
    expect(page.locator("#live")).to_have_text("live")


def test_a_page_left_open_does_not_grow(page: Page) -> None:
    """A hundred refreshes leave as many elements and listeners, and no more than a tenth more memory."""
    opened(page)
    tool: Any = page.context.new_cdp_session(page)
    tool.send("Performance.enable")
    for _ in range(20):
        page.evaluate(REFRESH)
    before = _held(page, tool)
    charts = page.locator(".uplot").count()
    for _ in range(100):
        page.evaluate(REFRESH)
    after = _held(page, tool)
    assert page.locator(".uplot").count() == charts
    assert all(after[name] <= before[name] * 1.1 for name in HELD), (before, after)


def _held(page: Page, tool: Any) -> dict[str, float]:
    """What the page holds once what it does not need is gone: the least of some looks, since that takes a while."""
    looks: list[dict[str, float]] = []
    for _ in range(5):
        tool.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(200)
        looks.append({one["name"]: float(one["value"]) for one in tool.send("Performance.getMetrics")["metrics"]})
    return {name: min(look[name] for look in looks) for name in HELD}
