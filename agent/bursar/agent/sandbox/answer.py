"""What does the sandbox answer? The same request always gets the same words, and the tokens that are asked for."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice

from bursar.agent.sandbox.fields import Json, object_at
from bursar.agent.sandbox.request import MessageRequest
from bursar.agent.sandbox.schema import example
from bursar.agent.sandbox.tokens import BYTES_PER_TOKEN, count_text

PIECE_TOKENS = 10  # a stream sends this many tokens in each delta
_SHORTEST, _LONGEST = 20, 120
_WORDS = (
    "the",
    "sum",
    "you",
    "see",
    "was",
    "put",
    "out",
    "and",
    "all",
    "who",
    "use",
    "can",
    "add",
    "for",
    "any",
    "day",
)


class StopReason(StrEnum):
    """Why the answer ends."""

    END_TURN = "end_turn"
    MAX_TOKENS = "max_tokens"
    TOOL_USE = "tool_use"


@dataclass(frozen=True, slots=True)
class Answer:
    """One content block: `payload` is its text, or the JSON of the tool's input when `tool` names one.

    With no output tokens at all (a cache warm-up) there is no content block.
    """

    payload: str
    tool: str | None
    output_tokens: int
    stop_reason: StopReason

    def pieces(self) -> Iterator[tuple[str, int]]:
        """The payload cut evenly for a stream: each piece with the output tokens so far."""
        count = -(-self.output_tokens // PIECE_TOKENS)
        size = len(self.payload)
        for index in range(count):
            part = self.payload[index * size // count : (index + 1) * size // count]
            yield part, min((index + 1) * PIECE_TOKENS, self.output_tokens)


def answer(request: MessageRequest, asked: int | None) -> Answer:
    """The answer with exactly `asked` output tokens, or with a number of its own, cut at max_tokens either way."""
    if request.forced_tool is not None:
        schema = object_at(request.forced_tool.get("input_schema") or {"type": "object"}, "tools.input_schema")
        return _structured(request, asked, _compact(example(schema)), str(request.forced_tool.get("name")))
    if request.output_schema is not None:
        return _structured(request, asked, _compact(example(request.output_schema)), None)
    wanted = _own_length(request) if asked is None else asked
    tokens = min(wanted, request.max_tokens)
    reason = StopReason.MAX_TOKENS if tokens < wanted else StopReason.END_TURN
    return Answer(_words(request, tokens), None, tokens, reason)


def _structured(request: MessageRequest, asked: int | None, payload: str, tool: str | None) -> Answer:
    wanted = count_text(payload) if asked is None else asked
    tokens = min(wanted, request.max_tokens)
    if tokens == wanted:
        return Answer(payload, tool, tokens, StopReason.TOOL_USE if tool else StopReason.END_TURN)
    # A cut JSON text is no longer JSON, as with the API; a tool's input stays whole, so that the message stays valid.
    kept = payload if tool else payload[: tokens * BYTES_PER_TOKEN]
    return Answer(kept, tool, tokens, StopReason.MAX_TOKENS)


def _compact(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def _seed(request: MessageRequest) -> int:
    return int(request.prompt.digests[-1][:8], 16)


def _own_length(request: MessageRequest) -> int:
    return _SHORTEST + _seed(request) % (_LONGEST - _SHORTEST + 1)


def _words(request: MessageRequest, tokens: int) -> str:
    """Words of three letters and a space: four bytes, which is one token when the answer comes back as history."""
    start = _seed(request) % len(_WORDS)
    return " ".join(islice(cycle(_WORDS), start, start + tokens))
