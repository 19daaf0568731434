"""What do all pages have in common: the frame around them, their headers, their assets?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bursar.agent.dashboard import cells, words
from bursar.agent.dashboard.asking import SPANS, Asked
from bursar.agent.dashboard.page import Now, Page

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""
Nothing from elsewhere, nothing inline, nothing kept, and no page of others around ours.

Where one comes from is told to this site alone: told to nobody, a browser would send our own form with an `Origin` that
the door turns away.
"""

MENU: Final = (
    ("/", "Now"),
    ("/routes", "Routes"),
    ("/budgets", "Budgets"),
    ("/calls", "Calls"),
    ("/batches", "Batches"),
)
_KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


def render(page: Page, asked: Asked, now: Now, *, where: str) -> str:
    """A page as HTML; `where` is the entry of the menu that it belongs to."""
    return _environment().get_template(f"{page.template}.html").render(
        page=page, asked=asked, now=now, where=where, menu=MENU, spans=SPANS, tables={t.name: t for t in page.tables},
        **page.data,
    )  # fmt: skip


def answer(html: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """HTML with the headers that every page has."""
    return HTMLResponse(html, status, {**HEADERS, **(headers or {})})


def small(template: str, **data: object) -> str:
    """A page that is about no figures."""
    return _environment().get_template(f"{template}.html").render(where="", menu=MENU, **data)


def trouble(status: int, title: str, text: str, *, path: str = "") -> Response:
    """A page that says what is wrong, and what to do."""
    html = _environment().get_template("trouble.html").render(title=title, text=text, where=path, menu=MENU)
    return answer(html, status)


async def asset(request: Request) -> Response:
    """A file of the pages, under a name that has its content's hash in it, so that it may be kept for ever."""
    name = str(request.path_params["name"])
    found = _assets().get(name)
    if found is None:
        return Response(status_code=404)
    body, kind = found
    kept = _FOR_EVER if request.query_params.get("v") == _tag(name) else "no-cache"
    return Response(body, headers={**HEADERS, "content-type": kind, "cache-control": kept})


@lru_cache(maxsize=1)
def _assets() -> dict[str, tuple[bytes, str]]:
    """All of them by name: few, small, and read once."""
    root = files("bursar.agent.dashboard") / "static"
    found: dict[str, tuple[bytes, str]] = {}
    for folder, ahead in ((root, ""), (root / "vendor", "vendor/")):
        for file in folder.iterdir():
            ending = file.name[file.name.rfind(".") :]
            if ending in _KINDS:
                found[f"{ahead}{file.name}"] = (file.read_bytes(), f"{_KINDS[ending]}; charset=utf-8")
    return found


def _tag(name: str) -> str:
    return blake2b(_assets()[name][0], digest_size=6).hexdigest()


def _static(name: str) -> str:
    """The address of an asset; a name there is none of is a mistake in a template."""
    return f"/static/{name}?v={_tag(name)}"


_FILTERS: Final[tuple[Callable[..., str], ...]] = (
    words.money, words.exact_money, words.amount, words.exact_amount, words.each, words.count, words.short, words.share,
    words.seconds, words.until, words.at, words.clock, words.iso, cells.points,
)  # fmt: skip
"""What templates write figures with."""
_PARTS: Final[Mapping[str, Callable[..., str]]] = {
    "table_rows": cells.rows, "cell_of": cells.written, "trend_of": cells.trend,
}  # fmt: skip
"""What is written without a template, since there may be very much of it."""


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("bursar.agent.dashboard", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    ours: dict[str, Any] = {"static": _static, "version": version("bursar"), **_PARTS}
    made.globals.update(ours)
    filters: dict[str, Callable[..., Any]] = {f.__name__: f for f in _FILTERS}
    made.filters.update(filters)
    return made
