"""Request bodies: what is offered to the agent is what the SDK would have sent, byte for byte."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from anthropic import __version__ as version
from anthropic._request import APIRequest
from anthropic.types import message_create_params as plain
from anthropic.types.beta import message_create_params as beta
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.instrumentation.parameters import JSON, TEXT, Parameters, each_object
from tests.instrumentation.scene import ASK, MODEL, answer, client

from bursar.instrumentation.requestbody import text_of, with_changes
from bursar.policies.changes import REMOVED

HEADERS = frozenset({"betas", "user_profile_id", "workspace_id"})
"""Parameters that are headers: no body has them."""
EXAMPLES = 40
MOST_PLAIN = 15
"""What every version of the SDK has at least."""


class Tap:
    """A client whose every body is seen twice: as it would be offered, and as it is sent."""

    def __init__(self) -> None:
        self.offered: list[str] = []
        self.sent: list[bytes] = []

        def see(request: APIRequest, call_next: Callable[[APIRequest], Any]) -> Any:
            self.offered.append(text_of(request))
            return call_next(request)

        def respond(request: Any) -> Any:
            self.sent.append(request.content)
            return answer(request)

        self.client = client(respond, middleware=[see])

    def call(self, create: Callable[..., Any], **parameters: Any) -> tuple[str, bytes]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the SDK, about models and parameters that are on their way out
            create(**parameters, timeout=60.0)
        return self.offered[-1], self.sent[-1]


def same_bytes(tap: Tap, create: Callable[..., Any], parameters: dict[str, Any]) -> None:
    offered, sent = tap.call(create, **parameters)
    assert offered.encode() == sent
    as_a_stream, _ = tap.call(create, **parameters, stream=True)
    assert as_a_stream.encode() == sent


def plain_create(c: Any) -> Any:
    return c.messages.create


def beta_create(c: Any) -> Any:
    return c.beta.messages.create


KINDS = pytest.mark.parametrize(
    ("what", "kind", "create"),
    [
        ("messages", plain.MessageCreateParamsBase, plain_create),
        ("beta.messages", beta.MessageCreateParamsBase, beta_create),
    ],
    ids=["messages", "beta"],
)
Create = Callable[[Any], Callable[..., Any]]


@KINDS
def test_each_object_is_offered_as_it_would_be_sent(what: str, kind: Any, create: Create) -> None:
    """Each kind of object that the installed SDK has types for, with all its parameters, with and without `stream`."""
    tap, made = Tap(), dict[str, int]()
    for name, parameters, values in each_object(kind, without=HEADERS):
        same_bytes(tap, create(tap.client), {**values, "model": MODEL})
        made[name] = parameters
    own = made.pop(kind.__name__)
    inside = f"{sum(made.values())} of the {len(made)} kinds of objects in them"
    print(f"anthropic {version}, {what}.create: {own} parameters, and {inside}")  # noqa: T201 - for docs/figures.md
    assert own >= MOST_PLAIN


@KINDS
def test_any_values_are_offered_as_they_would_be_sent(what: str, kind: Any, create: Create) -> None:
    """Drawn at random over all parameters; that each of them is seen once is the claim above."""
    tap, parameters = Tap(), Parameters()
    call = create(tap.client)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(parameters.of(kind, without=HEADERS, model=MODEL))
    def examined(values: dict[str, Any]) -> None:
        same_bytes(tap, call, values)

    examined()
    names = {name for name in parameters.known if name[0] == kind.__name__}
    assert len(names & parameters.made) > len(names) // 2


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(TEXT.filter(lambda name: name not in ("stream", "")), JSON, max_size=3))
def test_what_the_sdk_has_no_name_for_is_offered_too(extra: dict[str, Any]) -> None:
    """As the application gives it in `extra_body`."""
    tap = Tap()
    offered, sent = tap.call(tap.client.messages.create, **ASK, extra_body=extra)
    assert offered.encode() == sent
    assert json.loads(sent) == {**ASK, **extra}


def test_what_is_changed_is_changed_in_what_is_offered() -> None:
    """A parameter set, one left out, and one that stood in `extra_body`."""
    seen: list[str] = []

    def see(request: APIRequest, call_next: Any) -> Any:
        seen.append(text_of(with_changes(request, {"model": "m", "temperature": REMOVED})))
        return call_next(request)

    client(middleware=[see]).messages.create(**ASK, extra_body={"temperature": 0.5, "x": [1]})
    assert json.loads(seen[0]) == {**ASK, "model": "m", "x": [1]}


def test_a_body_that_json_cannot_say_is_an_error() -> None:
    """As it is where the SDK sends it."""
    seen: list[Exception] = []

    def see(request: APIRequest, call_next: Any) -> Any:
        try:
            text_of(request)
        except ValueError as error:
            seen.append(error)
        return call_next(request)

    with pytest.raises(ValueError):
        client(middleware=[see]).messages.create(**ASK, extra_body={"temperature": float("nan")})
    assert len(seen) == 1
