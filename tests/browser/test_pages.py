"""Claims about every page, as people use it: in a real browser, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import csv
import io
import time
from typing import Any, cast
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.chromium import MISSING, Complaints, find
from tests.browser.kept import Kept

from bursar.agent.dashboard.pages import PLACES

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(find() is None, reason=MISSING),
]

ROUTE = "support.answer"
ABOUT = {"/routes/{name:any}": f"/routes/{ROUTE}", "/budgets/{name:any}": "/budgets/support-day"}
"""A page about one thing, of the demo's."""
SOME = {"/calls/{name:any}": "#calls", "/batches/{name:any}": "#batches"}
"""A page about one thing whose name is another each time, and the table of the page above it that leads there."""
PATHS = [ABOUT.get(place.path, place.path) for place in PLACES]
PHONE = {"width": 390, "height": 844}
SERIOUS = ("serious", "critical")


def faults(page: Page, *rules: str) -> list[str]:
    """What axe holds to be serious, or worse, of a page as it stands: by these rules, or by all."""
    axe = cast("Any", Axe())
    asked = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else None
    found: list[dict[str, Any]] = axe.run(page, options=asked).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found if one["impact"] in SERIOUS for node in one["nodes"]]


def visit(page: Page, path: str) -> None:
    """Go to a page; where it is about one of many things, by the first link that leads to one."""
    if path not in SOME:
        page.goto(path)
        return
    page.goto(path.partition("/{")[0])
    href = page.locator(f"{SOME[path]} tbody a").first.get_attribute("href")
    assert href is not None
    page.goto(href)


def one_more_call(demo: Kept, route: str) -> None:
    """A span of somebody else's instrumentation: 1,000 tokens in and 2,000 out."""
    exporter = OTLPSpanExporter(f"{demo.url}/v1/traces", headers={"authorization": f"Bearer {demo.token}"})
    provider = TracerProvider(resource=Resource({"service.name": route}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("tests").start_as_current_span("chat claude-opus-5-5") as span:
        span.set_attributes(
            {
                "gen_ai.provider.name": "anthropic",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "claude-opus-5-5",
                "gen_ai.response.model": "claude-opus-5-5",
                "gen_ai.response.id": f"msg_{time.time_ns()}",
                "gen_ai.usage.input_tokens": 1_000,
                "gen_ai.usage.output_tokens": 2_000,
            }
        )
    provider.shutdown()


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_sound_open_to_all_and_fits_a_phone(page: Page, path: str) -> None:
    """
    No error on the console, a line that is live, nothing that axe holds to be serious, and in the dark enough contrast.

    The page is as wide as a phone; what is wider scrolls in its own box.
    """
    page.emulate_media(color_scheme="light")
    visit(page, path)
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("h1")).to_have_count(1)
    assert faults(page) == []
    page.emulate_media(color_scheme="dark")
    assert faults(page, "color-contrast") == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_there_without_scripts(browser: Browser, session: dict[str, object], demo: Kept, path: str) -> None:
    """Whoever blocks them reads the same headings and tables, and that they stand still."""
    with browser.new_context(
        storage_state=session,  # type: ignore[arg-type]
        base_url=demo.url,
        java_script_enabled=False,
    ) as context:
        page = context.new_page()
        visit(page, path)
        expect(page.locator("h1")).to_have_count(1)
        assert page.locator("table tbody tr").count() > 0
        expect(page.locator("#live")).to_have_text("not live")


def test_what_comes_in_shows_without_a_reload(page: Page, demo: Kept) -> None:
    """A call of a new route stands in the open page a moment after it was made; scroll and theme stay as they were."""
    page.goto("/routes")
    expect(page.locator("#live")).to_have_text("live")
    page.locator("#theme").click()
    theme = page.evaluate("document.documentElement.dataset.theme")
    name = f"seen.live.{time.time_ns()}"
    one_more_call(demo, name)
    expect(page.locator("#routes tbody")).to_contain_text(name)
    assert page.evaluate("document.documentElement.dataset.theme") == theme


def test_the_theme_is_kept(page: Page) -> None:
    """Dark chosen once is dark on the next page, whatever the system says."""
    page.emulate_media(color_scheme="light")
    page.goto("/budgets")
    page.locator("#theme").click()
    page.goto("/calls")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"


def test_a_filter_stands_in_the_address_and_goes_back(page: Page) -> None:
    """A choice changes table and address without a reload; back takes it back."""
    page.goto("/routes?span=24h")
    page.get_by_label("Time").select_option("7d")
    page.wait_for_url("**/routes?**span=7d**")
    expect(page.get_by_label("Time")).to_have_value("7d")
    page.go_back()
    page.wait_for_url("**/routes?span=24h")
    expect(page.get_by_label("Time")).to_have_value("24h")


def test_a_title_sorts_its_column(page: Page) -> None:
    """Largest first, then smallest; the address says so, and who is read to hears it."""
    page.goto("/routes")
    title = page.locator("#routes th", has_text="Calls")
    title.get_by_role("link").click()
    expect(title).to_have_attribute("aria-sort", "descending")
    page.wait_for_url("**sort=-calls**")
    title.get_by_role("link").click()
    expect(title).to_have_attribute("aria-sort", "ascending")


def test_a_row_is_reached_by_keyboard(page: Page) -> None:
    """From the top of the page: skip to it, tab to the first row, Enter."""
    page.goto("/budgets")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the page")
    page.keyboard.press("Enter")
    first = page.locator("#budgets tbody a").first
    for _ in range(40):
        page.keyboard.press("Tab")
        if first.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/budgets/*")


@pytest.mark.parametrize(("path", "table"), [("/routes", "routes"), ("/budgets", "budgets"), ("/calls", "calls")])
def test_a_table_is_the_same_as_csv(page: Page, path: str, table: str) -> None:
    """As many rows as the page shows, in the same order."""
    page.goto(path)
    shown = page.locator(f"#{table} tbody tr td:first-child").all_inner_texts()
    with page.expect_download() as started:
        page.locator(f"section[aria-labelledby='t-{table}'] a[download]").click()
    rows = list(csv.reader(io.StringIO(started.value.path().read_text())))
    assert len(rows) == len(shown) + 1
    if path != "/calls":  # there the first column is a time, which a CSV has in UTC
        assert [row[0] for row in rows[1:]] == [text.strip() for text in shown]


def test_three_clicks_lead_to_the_reason_of_a_refusal(page: Page) -> None:
    """From the first page, as somebody who asks why: each click is on what the page itself shows."""
    page.goto("/")
    page.locator("#decisions tbody tr", has_text="block").first.get_by_role("link").first.click()
    page.wait_for_url("**/calls/**")
    expect(page.locator("main")).to_contain_text("support-day")
    expect(page.locator("main")).to_contain_text("refused")


def test_a_browser_gets_in_with_the_token(browser: Browser, demo: Kept) -> None:
    """A page leads to the form, a wrong token is said, the right one leads back to what was asked for."""
    with browser.new_context(base_url=demo.url) as context:
        page = context.new_page()
        complaints = Complaints(page)
        page.goto("/budgets?span=7d")
        page.get_by_label("The agent's token").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("BURSAR_TOKEN_FILE")
        assert faults(page) == []
        page.get_by_label("The agent's token").fill(demo.token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/budgets?span=7d")
        expect(page.locator("h1")).to_have_text("Budgets")
        assert [one for one in complaints.said if "403" not in one] == []


def test_a_link_is_good_once(browser: Browser, demo: Kept) -> None:
    """The one that the demo ends with leads to the first page; whoever finds it later in a log gets nowhere."""
    with browser.new_context(base_url=demo.url) as context:
        page = context.new_page()
        page.goto(demo.link)
        page.wait_for_url(f"{demo.url}/")
    with browser.new_context(base_url=demo.url) as context:
        page = context.new_page()
        page.goto(demo.link)
        expect(page.get_by_role("alert")).to_contain_text("used already")


def test_a_name_that_is_not_there_is_said(context: BrowserContext) -> None:
    """With a page like the others, and no trace of a script in the name."""
    page = context.new_page()
    name = "<script>alert(1)</script>"
    answer = page.goto(f"/budgets/{quote(name, safe='')}")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("h1")).to_be_visible()
    assert page.locator("main script").count() == 0
