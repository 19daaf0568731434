"""What comes of one request of a batch when its turn comes: a message at half the price, or the API's error?"""

from collections.abc import Callable

from bursar.agent.sandbox.answer import answer
from bursar.agent.sandbox.batches import Batch, Item, Result
from bursar.agent.sandbox.bill import BATCH, Bill
from bursar.agent.sandbox.cache import PromptCache
from bursar.agent.sandbox.errors import ApiError, error_body, invalid
from bursar.agent.sandbox.fields import Json
from bursar.agent.sandbox.messages import content_object, message_object
from bursar.agent.sandbox.request import MessageRequest, check_version, parse_request
from bursar.agent.sandbox.scene import Outcome

_STAGED = ApiError("api_error", "Internal server error")


class BatchWork:
    """Answers requests of batches, on the bill and through the cache that all requests share."""

    def __init__(self, bill: Bill, cache: PromptCache, new_id: Callable[[], str]) -> None:
        self._bill = bill
        self._cache = cache
        self._new_id = new_id

    def process(self, batch: Batch, item: Item, at: float) -> Result:
        """What comes of a request at this time; only one that succeeds is billed."""
        try:
            if batch.scene.outcome(item.custom_id) is Outcome.ERRORED:
                raise _STAGED
            request = _request(item.params, batch.version)
        except ApiError as error:
            body = error_body(error.kind, error.message, f"req_{self._new_id()}")
            return Result(item.custom_id, Outcome.ERRORED, {"error": body})
        return Result(item.custom_id, Outcome.SUCCEEDED, {"message": self._message(batch, request, at)})

    def _message(self, batch: Batch, request: MessageRequest, at: float) -> Json:
        """Answered in no time: the next request of the batch finds in the cache what this one wrote."""
        lookup = self._cache.look_up(request.prompt, at)
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


def _request(params: Json, version: str) -> MessageRequest:
    """A valid request that may stand in a batch; raises what the API would answer it with."""
    check_version(version, params)
    for name in ("stream", "speed"):
        if params.get(name):
            raise invalid(name, "not supported in a message batch; leave it out")
    request = parse_request(params)
    if request.max_tokens == 0:
        raise invalid("max_tokens", "0 is not supported in a message batch; ask for at least 1")
    return request
