"""Errors of requests of batches: the SDK's own class where it has one, and ours that survive a pickle."""

from __future__ import annotations

import pickle
from typing import Any

import anthropic
import pytest
from anthropic.types.messages import MessageBatchIndividualResponse

from bursar.instrumentation.itemerror import BatchItemError, ended, error_of

CLIENT = anthropic.Anthropic(api_key="k")


def result(**told: Any) -> Any:
    """As the SDK reads it."""
    return MessageBatchIndividualResponse.model_validate({"custom_id": "c", "result": told}).result


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("invalid_request_error", anthropic.BadRequestError),
        ("authentication_error", anthropic.AuthenticationError),
        ("permission_error", anthropic.PermissionDeniedError),
        ("not_found_error", anthropic.NotFoundError),
        ("rate_limit_error", anthropic.RateLimitError),
        ("api_error", anthropic.InternalServerError),
        ("timeout_error", anthropic.InternalServerError),
    ],
)
def test_the_class_is_that_of_an_ordinary_call(kind: str, error: type[anthropic.APIStatusError]) -> None:
    """With the API's words, and the id of the request."""
    body = {"type": "error", "error": {"type": kind, "message": "no such thing"}, "request_id": "req_9"}
    found = error_of(CLIENT, result(type="errored", error=body), "c", "msgbatch_1")
    assert isinstance(found, error)
    assert (found.request_id, "no such thing" in str(found)) == ("req_9", True)


def test_an_overloaded_api() -> None:
    """Its class differs between versions of the SDK."""
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    found = error_of(CLIENT, result(type="errored", error=body), "c", "msgbatch_1")
    assert isinstance(found, anthropic.APIStatusError)
    assert found.status_code == 529


@pytest.mark.parametrize("kind", ["expired", "canceled"])
def test_what_the_sdk_has_no_error_for(kind: str) -> None:
    """It names the request and its batch, and why."""
    found = error_of(CLIENT, result(type=kind), "c", "msgbatch_1")
    assert isinstance(found, BatchItemError)
    assert isinstance(found, anthropic.AnthropicError)
    assert (found.reason, str(found).startswith("c of msgbatch_1 has no message")) == (kind, True)


def test_a_kind_of_a_later_version() -> None:
    """Told by its name."""
    assert "is not known: paused" in str(ended("paused", "c"))


def test_our_error_survives_a_pickle() -> None:
    """As it must to come back from a worker process."""
    error = pickle.loads(pickle.dumps(BatchItemError("no", reason="parameter", parameter="speed")))
    assert (str(error), error.reason, error.parameter) == ("no", "parameter", "speed")
