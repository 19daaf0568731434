"""
What is a call that was put off, in words, and what crosses the wall about it?

docs/deferrals.md draws the life of one. Its request and its answer are content: they travel between the application and
its agent on one machine, or behind the agent's token, only for calls that are put off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, TypeVar

PATH = "/deferrals"
"""Where a call is offered to the agent."""
WAIT_PATH = "/deferrals/wait"
"""Where answers are waited for; such a request is held open."""
WITHDRAW_PATH = "/deferrals/withdraw"
"""Where the application says that it no longer waits."""
WAIT_SECONDS = 20.0
"""How long a request that waits is held open before it is answered with what there is."""
MOST_BODY_BYTES = 32 * 1024 * 1024
"""The API takes no larger request."""

T = TypeVar("T")


class DeferralError(ValueError):
    """A message that cannot be understood; the text says which field and why."""


class State(StrEnum):
    """Where a deferral stands."""

    QUEUED = "queued"
    """On the agent's disk, and in no batch yet."""
    SUBMITTING = "submitting"
    """In a batch that is being sent; whether the API has it is not known until it answers, or is found there."""
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    """Answered by an error that no repetition mends, or repeated as often as is allowed."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FALLEN_BACK = "fallen_back"
    """No batch will make it in time: sent at once, at the ordinary price, by the agent or by whoever waited."""
    DELIVERED = "delivered"
    """Its answer was handed over."""

    @property
    def over(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self in _OVER


_OVER = frozenset({State.SUCCEEDED, State.ERRORED, State.EXPIRED, State.CANCELLED, State.DELIVERED})


@dataclass(frozen=True, slots=True)
class Offer:
    """
    A call that the application would have the agent put off. Amounts in nano-dollars, instants in nanoseconds.

    `body` is the JSON of its parameters, character for character as the SDK would have sent it, without `stream`.
    """

    id: str
    """Of the deferral; the same again for the same call."""
    call_id: str
    attempt_id: str
    """Of its first attempt: also its `custom_id` in the first batch."""
    at_ns: int
    due_ns: int
    """When an answer must be there."""
    route: str
    model: str
    requested_model: str
    body: str
    credential: str
    """Keyed hash of the client's key and base URL; see `credential.credential_id`."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    key: str = ""
    """The application's own name for this piece of work: offered again under it, it is rejoined. Empty: none."""
    betas: str = ""
    """The request's `anthropic-beta` header."""
    balances: tuple[str, ...] | None = None
    """Every balance that it counts against; None where no policy is known: the agent matches then."""
    hard: tuple[str, ...] = ()
    """Those that must lend before it is accepted."""
    most: int = 0
    """Its bound at batch prices: what is held."""
    expected: int = 0
    most_tokens: int = 0
    expected_tokens: int = 0
    sync_most: int = 0
    """The same at ordinary prices: what is held if it falls back."""
    sync_expected: int = 0
    bounded: bool = True
    """Whether the request bounds its cost."""
    reason: str = ""
    """Why it is put off, in the words of `decision.Reason`."""
    decision: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The numbers behind it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The agent's answer to an offer: on its disk, or why not."""

    id: str
    accepted: bool
    state: State = State.QUEUED
    reason: str = ""
    """Why it was not accepted, in the words of `unbatched.Unbatched` or of `decision.Reason`."""
    balance: str = ""
    rejoined: bool = False
    """Whether it was there already, under its id or its key."""


@dataclass(frozen=True, slots=True)
class WaitRequest:
    """Deferrals whose answers are wanted."""

    ids: tuple[str, ...]
    seconds: float = WAIT_SECONDS
    deliver: bool = True
    """Whether what is over is handed over now, and may be purged."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a deferral stands, and its answer where there is one."""

    id: str
    state: State
    """Before it is delivered: one that is over says how it ended."""
    reason: str = ""
    """In plain words, where it did not simply succeed."""
    message: str | None = None
    """JSON of the `Message`, as the API gave it."""
    request_id: str | None = None
    status: int = 0
    """The HTTP status that an error would have had; zero where there is none."""
    error: Mapping[str, Any] | None = None
    """The API's error object."""
    refusal: Mapping[str, Any] | None = None
    """Which balance refused its fallback, where one did: `balance`, `reason`, `needed`."""
    charges: tuple[Mapping[str, Any], ...] = ()
    """What its attempts cost, as of `records`: the answer's own is the last."""
    batch_id: str = ""
    expected_ns: int | None = None
    """When an answer is expected, where that can be told."""


@dataclass(frozen=True, slots=True)
class WaitResponse:
    """How those asked for stand: once one of them is over, or the time is up."""

    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class WithdrawRequest:
    """The application no longer waits: `sends` says whether it sends the call itself."""

    id: str
    sends: bool = False
    why: str = ""


Message = Offer | Taken | WaitRequest | WaitResponse | WithdrawRequest


def to_json(message: Message) -> dict[str, Any]:
    """A message as a JSON object."""
    return asdict(message)


def offer_from_json(value: Any) -> Offer:
    """Raises `DeferralError`."""
    known = _known(Offer, value, "the offer")
    for name in ("at_ns", "due_ns", "most", "expected", "most_tokens", "expected_tokens", "sync_most", "sync_expected"):
        _whole(known.get(name, 0), name)
    for name in ("id", "call_id", "attempt_id", "route", "model", "requested_model", "body", "credential"):
        _text(known.get(name), name)
    known["balances"] = None if known.get("balances") is None else _texts(known["balances"], "balances")
    known["hard"] = _texts(known.get("hard", ()), "hard")
    return _made(Offer, known, "the offer")


def taken_from_json(value: Any) -> Taken:
    """Raises `DeferralError`."""
    known = _known(Taken, value, "the answer to an offer")
    known["state"] = _state(known.get("state", State.QUEUED))
    return _made(Taken, known, "the answer to an offer")


def wait_request_from_json(value: Any) -> WaitRequest:
    """Raises `DeferralError`."""
    known = _known(WaitRequest, value, "the request")
    known["ids"] = _texts(known.get("ids"), "ids")
    seconds = known.get("seconds", WAIT_SECONDS)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= WAIT_SECONDS:
        raise DeferralError(f"seconds must be from 0 to {WAIT_SECONDS:g}, not {seconds!r}")
    return _made(WaitRequest, known, "the request")


def wait_response_from_json(value: Any) -> WaitResponse:
    """Raises `DeferralError`."""
    outcomes = _known(WaitResponse, value, "the response").get("outcomes", ())
    if not isinstance(outcomes, list | tuple):
        raise DeferralError("outcomes must be a list")
    return WaitResponse(tuple(_outcome(one) for one in outcomes))  # pyright: ignore[reportUnknownVariableType]


def withdraw_request_from_json(value: Any) -> WithdrawRequest:
    """Raises `DeferralError`."""
    known = _known(WithdrawRequest, value, "the request")
    _text(known.get("id"), "id")
    return _made(WithdrawRequest, known, "the request")


def _outcome(value: Any) -> Outcome:
    known = _known(Outcome, value, "an outcome")
    known["state"] = _state(known.get("state"))
    known["charges"] = tuple(known.get("charges", ()))
    return _made(Outcome, known, "an outcome")


def _state(word: Any) -> State:
    try:
        return State(word)
    except ValueError as error:
        raise DeferralError(f"state: {error}") from error


def _made(kind: type[T], known: Mapping[str, Any], what: str) -> T:
    try:
        return kind(**known)
    except TypeError as error:
        raise DeferralError(f"{what} is incomplete: {error}") from error


def _known(kind: type[Any], value: Any, what: str) -> dict[str, Any]:
    """The fields that this version knows; it passes over all others."""
    if not isinstance(value, dict):
        raise DeferralError(f"{what} must be a JSON object, not {type(value).__name__}")
    return {one.name: value[one.name] for one in fields(kind) if one.name in value}  # pyright: ignore[reportUnknownVariableType]


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):  # pyright: ignore[reportUnknownVariableType]
        raise DeferralError(f"{name} must be a list of texts")
    return tuple(value)  # pyright: ignore


def _text(value: Any, name: str) -> None:
    if not isinstance(value, str):
        raise DeferralError(f"{name} must be a text, not {value!r}")


def _whole(value: Any, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise DeferralError(f"{name} must be a whole number of zero or more, not {value!r}")
