"""Claims about how batches are staged."""

import math
from collections import Counter

import pytest

from bursar.agent.sandbox.batch_scene import BatchScene, Fate, read_batch_scene
from bursar.agent.sandbox.errors import ApiError


def read(**words: str) -> BatchScene:
    """The scene of these; underscores stand for hyphens."""
    return read_batch_scene({f"x-sandbox-{name.replace('_', '-')}": value for name, value in words.items()})


def test_nothing_staged() -> None:
    """A batch takes the sandbox's time, answers at its own length, and succeeds."""
    assert read_batch_scene({}, 5) == BatchScene(5, None, {})
    assert read_batch_scene({}, 5).fate("a") is Fate.SUCCEEDED


def test_all_words() -> None:
    """Milliseconds become seconds; spaces and an empty place between commas do no harm."""
    scene = read(
        batch_ms="2500",
        output_tokens="7",
        batch_outcomes=" a-1=errored,b=canceled ,, c = expired,d=overloaded_error,expired=10,errored=30%, *=succeeded",
        batch_seed="s",
        batch_warm="30",
    )
    fates = {
        "a-1": Fate.ERRORED,
        "b": Fate.CANCELED,
        "c": Fate.EXPIRED,
        "d": Fate.OVERLOADED,
        "*": Fate.SUCCEEDED,
    }
    assert scene == BatchScene(2.5, 7, fates, {Fate.EXPIRED: 10, Fate.ERRORED: 30}, "s", 30)
    assert read(batch_ms="never").takes_s == math.inf


def test_the_header_wins_over_the_sandbox_s_delay() -> None:
    """Also where it says no time at all."""
    assert read_batch_scene({"x-sandbox-batch-ms": "0"}, 5).takes_s == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch_ms", "soon", "x-sandbox-batch-ms: 'soon' is not a whole number of 0 or more"),
        ("batch_warm", "some", "x-sandbox-batch-warm: 'some' is not a whole number of 0 or more"),
        ("batch_outcomes", "a", "x-sandbox-batch-outcomes: '' is not one of succeeded, errored, canceled, expired"),
        ("batch_outcomes", "a=lost", "x-sandbox-batch-outcomes: 'lost' is not one of succeeded, errored, canceled,"),
        ("batch_outcomes", "a=30", "x-sandbox-batch-outcomes: '30' is not one of succeeded, errored, canceled,"),
        (
            "batch_outcomes",
            "errored=60, expired=41",
            "x-sandbox-batch-outcomes: the shares come to 101, and may to 100",
        ),
    ],
)
def test_what_cannot_be_read(name: str, value: str, message: str) -> None:
    """Is a 400 that says what can."""
    with pytest.raises(ApiError) as caught:
        read(**{name: value})
    assert (caught.value.status, caught.value.message[: len(message)]) == (400, message)


@pytest.mark.parametrize(
    ("fate", "error"),
    [("succeeded", None), ("expired", None), ("errored", "api_error"), ("invalid_request_error",) * 2],
)
def test_errors(fate: str, error: str | None) -> None:
    """Unless it is named, an error is one of the API's own."""
    assert Fate(fate).error == error


def test_shares() -> None:
    """Of 10,000 requests about as many as were asked for, by each one's own id; those that are named are not drawn."""
    scene = read(batch_outcomes="a=canceled, errored=30, expired=10, canceled=5, *=overloaded_error")
    names = [f"item-{number}" for number in range(10_000)]
    found = Counter(scene.fate(name) for name in names)
    wanted = {Fate.ERRORED: 3_000, Fate.EXPIRED: 1_000, Fate.CANCELED: 500, Fate.OVERLOADED: 5_500}
    assert found.keys() == wanted.keys()
    assert all(abs(found[fate] - number) < 200 for fate, number in wanted.items())  # four standard deviations
    assert scene.fate("a") is Fate.CANCELED


def test_seeds() -> None:
    """The same seed draws the same, another one another."""
    names = [f"item-{number}" for number in range(100)]
    first, again, other = (
        [read(batch_outcomes="errored=50", batch_seed=seed).fate(name) for name in names] for seed in ("1", "1", "2")
    )
    assert first == again != other


@pytest.mark.parametrize(("warm", "least", "most"), [("0", 0, 0), ("30", 220, 380), ("100", 1_000, 1_000)])
def test_a_share_finds_the_cache(warm: str, least: int, most: int) -> None:
    """Of 1,000 requests."""
    scene = read(batch_warm=warm)
    assert least <= sum(scene.finds_cache(f"item-{number}") for number in range(1_000)) <= most
