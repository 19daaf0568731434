"""The stage chooses tools as a model would, and its account of single requests adds up to the sandbox's bill."""

from __future__ import annotations

import json

import httpx
import pytest
from tests.frameworks.stage import Stage, choose, rewritten

from bursar.agent.sandbox.fields import Json
from bursar.agent.sandbox.server import serving

ASK: Json = {"model": "claude-haiku-5-5", "max_tokens": 60, "messages": [{"role": "user", "content": "Where is it?"}]}
FIND = {"name": "find", "input_schema": {"type": "object"}}
SEND = {"name": "send", "input_schema": {"type": "object"}}
HEADERS = {"x-api-key": "sk-ant-sandbox", "anthropic-version": "2023-06-01"}


def used(*names: str) -> list[Json]:
    """A conversation in which these tools have been used."""
    blocks: list[Json] = [{"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}} for name in names]
    return [*ASK["messages"], {"role": "assistant", "content": blocks}]


@pytest.mark.parametrize(
    ("tools", "wanted", "before", "expected"),
    [
        ([], None, (), None),
        ([FIND], None, (), "find"),
        ([FIND], "auto", (), "find"),
        ([FIND], "none", (), None),
        ([FIND, SEND], "tool", (), None),
        ([FIND, SEND], "auto", ("find",), "send"),
        ([FIND, SEND], "any", ("find",), "send"),
        ([FIND, SEND], "auto", ("find", "send"), None),
        ([FIND, SEND], "any", ("find", "send"), "send"),
        ([{"type": "web_search_20250305"}], "auto", (), None),
    ],
)
def test_each_tool_is_used_once_and_the_last_again_where_one_must_be(
    tools: list[Json], wanted: str | None, before: tuple[str, ...], expected: str | None
) -> None:
    """None: what the request says about tools stands."""
    request = {**ASK, "tools": tools, "messages": used(*before)}
    if wanted is not None:
        request["tool_choice"] = {"type": wanted}
    assert choose(request) == (None if expected is None else {"type": "tool", "name": expected})


@pytest.mark.parametrize("body", [b"no JSON", b"[]", json.dumps(ASK).encode()])
def test_a_request_without_a_choice_to_make_goes_on_as_it_came(body: bytes) -> None:
    """Byte for byte."""
    assert rewritten(body) == body


def test_every_request_has_its_own_line_and_the_lines_are_the_bill() -> None:
    """One plain, one streamed, one refused: the third costs nothing and has no message."""
    stage = Stage()
    with serving(stage) as url, httpx.Client(base_url=url, headers=HEADERS) as client:
        client.post("/stage/case/first")
        plain = client.post("/v1/messages", json=ASK).json()
        client.post("/stage/case/second")
        streamed = client.post("/v1/messages", json={**ASK, "stream": True})
        client.post("/v1/messages", json=ASK, headers={"x-sandbox-error": "500"})
        total = client.get("/sandbox/bill").json()["nano_usd"]
    # Haiku 5.5: 0.10 USD a million in, 0.50 out, so 100 and 500 nano-dollars a token.
    usage = plain["usage"]
    price = usage["input_tokens"] * 100 + usage["output_tokens"] * 500
    first, second, third = stage.billed
    assert (first.case, first.message_id, first.nano_usd, first.status) == ("first", plain["id"], price, 200)
    assert (second.case, second.nano_usd, second.status) == ("second", price, 200)
    assert second.message_id is not None
    assert second.message_id in streamed.text
    assert (third.message_id, third.nano_usd, third.status) == (None, 0, 500)
    assert total == 2 * price
