"""Is this JSON value of the type that its place in the request needs? Says where it is not."""

from collections.abc import Collection
from typing import Any, TypeGuard

from bursar.agent.sandbox.errors import invalid

Json = dict[str, Any]


def is_object(value: object) -> TypeGuard[Json]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def join(where: str, name: str | int) -> str:
    """The path of a member: `messages.0.content`."""
    return f"{where}.{name}" if where else str(name)


def object_at(value: object, where: str) -> Json:
    """The value, known to be an object."""
    if not is_object(value):
        raise invalid(where, "Input should be an object")
    return value


def list_at(value: object, where: str) -> list[Any]:
    """The value, known to be an array."""
    if not is_list(value):
        raise invalid(where, "Input should be a valid list")
    return value


def text_at(value: object, where: str) -> str:
    """The value, known to be a string."""
    if not isinstance(value, str):
        raise invalid(where, "Input should be a valid string")
    return value


def required(parent: Json, name: str, where: str = "") -> Any:
    """The member of that name, which must be there."""
    if name not in parent:
        raise invalid(join(where, name), "Field required")
    return parent[name]


def choice_at(value: object, choices: Collection[str], where: str) -> str:
    """The value, known to be one of these strings."""
    if not isinstance(value, str) or value not in choices:
        expected = " or ".join(f"'{choice}'" for choice in choices)
        raise invalid(where, f"Input should be {expected}")
    return value


def count_at(value: object, where: str) -> int:
    """The value, known to be a whole number of zero or more (JSON's true and false are none)."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(where, "Input should be a valid integer")
    if value < 0:
        raise invalid(where, "Input should be greater than or equal to 0")
    return value
