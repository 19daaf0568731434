"""Claims about single values of a request."""

from collections.abc import Callable
from typing import Any

import pytest

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.fields import choice_at, count_at, list_at, object_at, text_at


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (object_at, [], "a.b: Input should be an object"),
        (list_at, {}, "a.b: Input should be a valid list"),
        (text_at, 1, "a.b: Input should be a valid string"),
        (count_at, "1", "a.b: Input should be a valid integer"),
        (count_at, 1.0, "a.b: Input should be a valid integer"),
        (count_at, True, "a.b: Input should be a valid integer"),
        (count_at, -1, "a.b: Input should be greater than or equal to 0"),
    ],
)
def test_wrong_types(check: Callable[[object, str], Any], value: object, message: str) -> None:
    """A value of the wrong type is a 400 that names its place."""
    with pytest.raises(ApiError) as caught:
        check(value, "a.b")
    assert caught.value.message == message


def test_choice() -> None:
    """A value outside the choices is answered with the choices."""
    assert choice_at("y", ("x", "y"), "a") == "y"
    with pytest.raises(ApiError, match="a: Input should be 'x' or 'y'"):
        choice_at("z", ("x", "y"), "a")
