"""A route is found by what is known of a call."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.policies.route import Find, Route, find_route


def route(name: str, **find: str) -> Route:
    return Route(name, Find(**find))


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ({"code": "desk.triage:run"}, "triage"),
        ({"code": "desk.triage:run", "http_route": "/v1/ask"}, "triage"),
        ({"code": "desk.other:run", "http_route": "/v1/ask", "service": "web"}, "ask"),
        ({"code": "desk.other:run", "http_route": "/v1/ask", "service": "batch"}, None),
        ({"code": "desk.other:run", "http_route": "/v1/ask"}, None),
        ({"code": None, "span": "nightly report"}, "night"),
        ({"code": None, "span": "Nightly report"}, None),
        ({"code": None, "baggage": {"user": "bob", "feature": "search.fast"}}, "search"),
        ({"code": None, "baggage": {"user": "bob"}}, None),
        ({"code": None, "service": "mailer"}, "mail"),
        ({"code": "elsewhere:run"}, None),
        ({"code": None}, None),
    ],
)
def test_a_route_is_found_by_all_of_its_globs(call: dict[str, Any], found: str | None) -> None:
    """The first whose every glob matches; what is unknown matches none; a route without `find` is never found."""
    routes = (
        Route("named-only"),
        route("triage", code="desk.triage:*"),
        route("triage-late", code="desk.t*"),
        route("ask", http_route="/v1/*", service="web"),
        route("night", span="nightly *"),
        route("search", baggage="feature=search.*"),
        route("mail", service="mail*"),
    )
    route_found = find_route(routes, **call)
    assert (route_found and route_found.name) == found
