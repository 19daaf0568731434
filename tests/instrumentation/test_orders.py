"""What a batch carries of a request: every parameter as the call would have sent it, or a refusal by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from anthropic import NOT_GIVEN
from anthropic._utils._json import openapi_dumps
from anthropic.types import TextBlock
from tests.instrumentation.scene import client, message

from bursar.instrumentation.itemerror import BatchItemError
from bursar.instrumentation.orders import order_of

ASK: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "é"}]}


MORE: list[Callable[[], dict[str, Any]]] = [
    dict,
    lambda: {"system": "x", "metadata": {"user_id": "é"}, "stop_sequences": ("a", "b")},
    lambda: {"system": NOT_GIVEN, "stream": False},
    lambda: {"messages": ({"role": "user", "content": text} for text in "ab")},
    lambda: {"messages": [{"role": "assistant", "content": [TextBlock(type="text", text="x", citations=None)]}]},
    lambda: {"extra_body": {"future": {"a": 1}, "max_tokens": 7}},
]


@pytest.mark.parametrize("more", MORE)
def test_a_batch_carries_what_the_call_sends(more: Callable[[], dict[str, Any]]) -> None:
    """All of it, but for `stream`, which is no parameter of a batch's request."""
    sent: list[bytes] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.content)
        return httpx2.Response(200, json=message())

    client(respond).messages.create(**{**ASK, **more()})
    order = order_of(0, {**ASK, **more()})
    call = json.loads(sent[0])
    call.pop("stream", None)
    assert order.params == call
    assert order.size == len(openapi_dumps(order.params))


@pytest.mark.parametrize(
    ("more", "reason", "parameter"),
    [
        ({"stream": True}, "stream", "stream"),
        ({"extra_body": {"stream": True}}, "stream", "stream"),
        ({"speed": "fast"}, "parameter", "speed"),
        ({"max_tokens": 0}, "parameter", "max_tokens"),
        ({"thread": "t"}, "thread", "thread"),
        ({"extra_body": {"store": True}}, "thread", "store"),
        ({"billing_policy": {"bill_to": "user_profile"}}, "parameter", "billing_policy"),
        ({"extra_query": {"a": "b"}}, "parameter", "extra_query"),
        ({"timeout": 3}, "parameter", "timeout"),
        ({"betas": ["research-preview-2026-02-01"]}, "parameter", "research-preview-2026-02"),
    ],
)
def test_what_no_batch_carries_is_refused_by_name(more: dict[str, Any], reason: str, parameter: str) -> None:
    """In the error's words, and beside them."""
    with pytest.raises(BatchItemError, match=parameter) as caught:
        order_of(0, {**ASK, **more})
    assert (caught.value.reason, caught.value.parameter) == (reason, parameter)


@pytest.mark.parametrize("name", ["model", "max_tokens", "messages"])
def test_what_a_call_needs(name: str) -> None:
    """Told at once: a batch would tell it when it ends."""
    with pytest.raises(BatchItemError, match=f"has no {name}"):
        order_of(0, {key: told for key, told in ASK.items() if key != name})


def test_what_is_no_request() -> None:
    """Named by its kind."""
    with pytest.raises(BatchItemError, match="but str"):
        order_of(0, "hello")


def test_headers_go_with_the_batch() -> None:
    """Under any spelling; `betas` make it one of the beta resource."""
    order = order_of(0, {**ASK, "extra_headers": {"Anthropic-Beta": "a", "X-Team": "t"}, "workspace_id": "w"})
    assert order.headers == (("anthropic-beta", "a"), ("anthropic-workspace-id", "w"), ("x-team", "t"))
    assert (order.beta, order.betas) == (False, "a")
    beta = order_of(0, {**ASK, "extra_headers": {"anthropic-beta": "a"}, "betas": ["b", "c"]})
    assert (beta.beta, beta.betas) == (True, "a,b,c")


def test_the_clients_own_betas_count() -> None:
    """They go with every request of it."""
    with pytest.raises(BatchItemError):
        order_of(0, ASK, betas="research-preview-2026-02-01")


def test_equal_requests_have_one_digest() -> None:
    """Whatever they are made of."""
    one, again, other = (order_of(0, ask).digest for ask in (ASK, {**ASK, "stream": False}, {**ASK, "system": "x"}))
    assert one == again != other
