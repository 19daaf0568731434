"""What comes of one request of a batch when its turn comes: a message at half the price, or the API's error?"""

from collections.abc import Callable

from bursar.agent.sandbox.answer import answer
from bursar.agent.sandbox.batch import Batch, Item, Result
from bursar.agent.sandbox.batch_scene import Outcome
from bursar.agent.sandbox.bill import BATCH, Bill
from bursar.agent.sandbox.cache import PromptCache
from bursar.agent.sandbox.errors import ApiError, error_body, invalid
from bursar.agent.sandbox.fields import Json, is_object
from bursar.agent.sandbox.messages import content_object, message_object
from bursar.agent.sandbox.request import MessageRequest, check_version, parse_request
from bursar.agent.sandbox.tables import Model

_SAID = {
    "api_error": "Internal server error",
    "overloaded_error": "Overloaded",
    "timeout_error": "Request timed out",
    "rate_limit_error": "This request would exceed your organization's rate limit.",
}
_NEVER = (
    *("stream", "speed", "thread", "store", "previous_thread_event_id", "cache_hint", "context_hint"),
    "research_preview_2026_02",
)
_LONG_OUTPUT = "output-300k-2026-03-24"
_LONG_OUTPUT_TOKENS = 300_000
_LONG_CONTEXT = 1_000_000


class BatchWork:
    """Answers requests of batches, on the bill and through the cache that all requests share."""

    def __init__(self, bill: Bill, cache: PromptCache, new_id: Callable[[], str]) -> None:
        self._bill = bill
        self._cache = cache
        self._new_id = new_id

    def process(self, batch: Batch, item: Item, at: float) -> Result:
        """What comes of a request at this time; only one that succeeds is billed."""
        try:
            _fail_as_staged(batch.scene.fate(item.custom_id).error)
            request = _request(item.params, batch)
        except ApiError as error:
            body = error_body(error.kind, error.message, f"req_{self._new_id()}")
            return Result(item.custom_id, Outcome.ERRORED, {"error": body})
        return Result(item.custom_id, Outcome.SUCCEEDED, {"message": self._message(batch, item, request, at)})

    def _message(self, batch: Batch, item: Item, request: MessageRequest, at: float) -> Json:
        """Answered in no time: the next request of the batch finds in the cache what this one wrote, unless staged."""
        seen = self._cache if batch.scene.finds_cache(item.custom_id) else PromptCache()
        lookup = seen.look_up(request.prompt, at)
        text = answer(request, batch.scene.output_tokens)
        self._cache.store(lookup)
        usage = request.usage(lookup, text.output_tokens, BATCH)
        self._bill.open(request.model, batch.key).amend(usage)
        return message_object(
            f"msg_{self._new_id()}",
            request.model.id,
            usage,
            content=content_object(text, f"toolu_{self._new_id()}"),
            stop_reason=text.stop_reason,
        )


def _fail_as_staged(kind: str | None) -> None:
    if kind is not None:
        raise ApiError(kind, _SAID.get(kind, "Staged for this request"))


def _request(params: Json, batch: Batch) -> MessageRequest:
    """A valid request that may stand in a batch; raises what the API would answer it with."""
    check_version(batch.version, params)
    for name in _NEVER:
        if params.get(name):
            raise invalid(name, "not supported in a message batch; leave it out")
    policy = params.get("billing_policy")
    if is_object(policy) and policy.get("bill_to") == "user_profile":
        raise invalid("billing_policy.bill_to", "'user_profile' is not supported in a message batch")
    if batch.profile is not None and params.get("user_profile_id") not in (None, batch.profile):
        raise invalid("user_profile_id", "conflicts with the anthropic-user-profile-id header of the batch")
    request = parse_request(params, batch.betas, longest=_longest(batch.betas))
    if request.max_tokens == 0:
        raise invalid("max_tokens", "0 is not supported in a message batch; ask for at least 1")
    return request


def _longest(betas: str | None) -> Callable[[Model], int]:
    """The longest output that a model gives in a batch: more with the beta, where its window is of a million tokens."""
    if _LONG_OUTPUT not in (betas or ""):
        return lambda model: model.max_output
    return lambda model: _LONG_OUTPUT_TOKENS if model.context >= _LONG_CONTEXT else model.max_output
