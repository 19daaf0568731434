"""Values for all parameters of `messages.create`, made from the types of the SDK that is installed."""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import pydantic
import typing_extensions
from hypothesis import strategies as st
from typing_extensions import is_typeddict

DEEPEST = 4
"""From here on only what must be there is filled in."""
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
INSTANTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1))  # noqa: DTZ001 - as given
_WRAPPERS = (Annotated, Required, NotRequired, typing_extensions.Required, typing_extensions.NotRequired)
_ITERABLES = (list, tuple, collections.abc.Iterable, collections.abc.Sequence)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(0, 100_000),
    float: st.floats(-1e6, 1e6, allow_nan=False),
    bool: st.booleans(),
    type(None): st.none(),
    object: JSON,
    Any: JSON,
    datetime: INSTANTS,
    date: INSTANTS.map(datetime.date),
}
_LEAST: dict[Any, Any] = {
    str: 'Grüße, "Welt" \u2028 \U0001f42b',
    int: 7,
    float: 0.1,
    bool: False,
    object: {"a": [1.5, None, True]},
    Any: [],
    datetime: datetime(2026, 11, 29, 7, 30),  # noqa: DTZ001 - as given
    date: date(2026, 11, 29),
}
_MAPPINGS = (dict, Mapping, collections.abc.Mapping)
FILES = ("IO", "PathLike", "Path", "BinaryIO", "BytesIO")


class Parameters:
    """What was made so far of which parameters."""

    def __init__(self) -> None:
        self.made: set[tuple[str, str]] = set()
        self.known: set[tuple[str, str]] = set()
        """Each parameter of each object that may stand in a request, by the object's type."""
        self._kept: dict[Any, st.SearchStrategy[Any]] = {}

    def of(
        self, kind: Any, *, without: frozenset[str] = frozenset(), **fixed: Any
    ) -> st.SearchStrategy[dict[str, Any]]:
        """Whole sets of parameters; `fixed` are as given."""
        hints = get_type_hints(kind, include_extras=True)
        names = [name for name in hints if name not in without and name not in fixed]
        self.known.update((kind.__name__, name) for name in (*names, *fixed))
        self.made.update((kind.__name__, name) for name in fixed)
        must = [name for name in names if _is_required(kind, hints[name])]
        may = [name for name in names if name not in must]

        @st.composite
        def whole(draw: st.DrawFn) -> dict[str, Any]:
            chosen = [*must, *draw(st.lists(st.sampled_from(may), unique=True))] if may else must
            values = {name: draw(self.value(hints[name], 1)) for name in chosen}
            self.made.update((kind.__name__, name) for name in values)
            return {**values, **fixed}

        return whole()

    def value(self, kind: Any, depth: int) -> st.SearchStrategy[Any]:
        """Values of a type; it is looked into once it is drawn from, since most contain each other."""
        key = (repr(kind), min(depth, DEEPEST))
        if key not in self._kept:
            self._kept[key] = st.deferred(lambda: self._value(kind, depth))
        return self._kept[key]

    def _value(self, kind: Any, depth: int) -> st.SearchStrategy[Any]:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in _WRAPPERS:
            return self.value(arguments[0], depth)
        if origin in (Literal, typing_extensions.Literal):
            return st.sampled_from(arguments)
        if origin in (Union, types.UnionType):
            return self._one_of(arguments, depth)
        if is_typeddict(kind):
            return self._object(kind, depth)
        if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
            return self._model(kind, depth)
        if origin in _MAPPINGS:
            return st.dictionaries(TEXT, self.value(arguments[1], depth + 1), max_size=2)
        if origin in _ITERABLES or _name(kind) == "SequenceNotStr":
            return st.lists(self.value(arguments[0], depth + 1), max_size=1 if depth >= DEEPEST else 2)
        if kind in _PLAIN:
            return _PLAIN[kind]
        raise NotImplementedError(f"a parameter of a kind that no value is made of: {kind!r}")

    def _one_of(self, kinds: tuple[Any, ...], depth: int) -> st.SearchStrategy[Any]:
        """Files are not made: they are read before the body is there, and are texts in it."""
        usable = [kind for kind in kinds if _name(kind) not in FILES and not _is_protocol(kind)]
        plain = [kind for kind in usable if kind in _PLAIN]
        return st.one_of([self.value(kind, depth) for kind in (plain or usable if depth >= DEEPEST else usable)])

    def _object(self, kind: Any, depth: int) -> st.SearchStrategy[dict[str, Any]]:
        hints = get_type_hints(kind, include_extras=True)
        self.known.update((kind.__name__, name) for name in hints)
        values = {name: self.value(hint, depth + 1) for name, hint in hints.items()}
        must = {name: values[name] for name, hint in hints.items() if _is_required(kind, hint)}
        may = {name: values[name] for name in hints if name not in must}
        made = st.fixed_dictionaries(must, optional={} if depth >= DEEPEST else may)
        return made.map(lambda value: self._noted(kind.__name__, value))

    def _model(self, kind: type[pydantic.BaseModel], depth: int) -> st.SearchStrategy[Any]:
        """An object of a response, given back as it came."""
        fields = kind.model_fields
        self.known.update((kind.__name__, name) for name in fields)
        values = {name: self.value(field.annotation, depth + 1) for name, field in fields.items()}
        made = st.fixed_dictionaries(values)
        return made.map(lambda value: kind.model_construct(**self._noted(kind.__name__, value)))

    def _noted(self, name: str, value: dict[str, Any]) -> dict[str, Any]:
        self.made.update((name, parameter) for parameter in value)
        return value


def each_object(kind: Any, *, without: frozenset[str] = frozenset()) -> Iterator[tuple[str, int, Any]]:
    """
    Requests in which each kind of object that may stand in one stands once with all its parameters.

    By its name and how many parameters these are.

    Breadth first, so that the way to each is the shortest; all on that way has only what it must.
    """
    seen: set[Any] = {kind}
    ways: list[tuple[Any, Wrap]] = [(kind, lambda value: value)]
    for found, wrap in ways:
        hints = {name: hint for name, hint in _fields(found).items() if found is not kind or name not in without}
        yield found.__name__, len(hints), wrap(_made(found, {name: _least(hint) for name, hint in hints.items()}))
        for name, hint in hints.items():
            for inner, into in _objects_in(hint):
                if inner not in seen:
                    seen.add(inner)
                    ways.append((inner, _within(found, name, into, wrap)))


Wrap = Callable[[Any], Any]


def _within(kind: Any, name: str, into: Wrap, wrap: Wrap) -> Wrap:
    return lambda value: wrap(_made(kind, {**_must(kind), name: into(value)}))


def _listed(into: Wrap) -> Wrap:
    return lambda value: [into(value)]


def _named(into: Wrap) -> Wrap:
    return lambda value: {"a": into(value)}


def _objects_in(hint: Any) -> Iterator[tuple[Any, Wrap]]:
    """The kinds of objects that a parameter takes, and how it takes one."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _WRAPPERS:
        yield from _objects_in(arguments[0])
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            if not _is_protocol(argument):
                yield from _objects_in(argument)
    elif origin in _ITERABLES or _name(hint) == "SequenceNotStr":
        for inner, into in _objects_in(arguments[0]):
            yield inner, _listed(into)
    elif origin in _MAPPINGS:
        for inner, into in _objects_in(arguments[1]):
            yield inner, _named(into)
    elif _is_object(hint):
        yield hint, lambda value: value


def _least(hint: Any) -> Any:
    """The least value of a kind that is worth writing."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _WRAPPERS:
        return _least(arguments[0])
    if origin in (Literal, typing_extensions.Literal):
        return arguments[0]
    if origin in (Union, types.UnionType):
        usable = [one for one in arguments if _name(one) not in (*FILES, "NoneType") and not _is_protocol(one)]
        return _least(next((one for one in usable if one in _LEAST), usable[0]))
    if origin in _ITERABLES or _name(hint) == "SequenceNotStr":
        return [_least(arguments[0])]
    if origin in _MAPPINGS:
        return {"a": _least(arguments[1])}
    return _made(hint, _must(hint)) if _is_object(hint) else _LEAST[hint]


def _must(kind: Any) -> dict[str, Any]:
    return {name: _least(hint) for name, hint in _fields(kind).items() if _is_required(kind, hint)}


def _made(kind: Any, values: dict[str, Any]) -> Any:
    return values if is_typeddict(kind) else kind.model_construct(**values)


def _fields(kind: Any) -> dict[str, Any]:
    if is_typeddict(kind):
        return get_type_hints(kind, include_extras=True)
    return {name: field.annotation for name, field in kind.model_fields.items()}


def _is_object(kind: Any) -> bool:
    return is_typeddict(kind) or (isinstance(kind, type) and issubclass(kind, pydantic.BaseModel))


def _is_required(kind: Any, hint: Any) -> bool:
    """By the hint itself: the names that a type of postponed annotations calls required are not to be relied on."""
    if get_origin(hint) in (Required, typing_extensions.Required) or not is_typeddict(kind):
        return True
    return bool(kind.__total__) and get_origin(hint) not in (NotRequired, typing_extensions.NotRequired)


def _name(kind: Any) -> str:
    return getattr(get_origin(kind) or kind, "__name__", "")


def _is_protocol(kind: Any) -> bool:
    """Tools that are functions and the like: the SDK makes objects of them before they come into a body."""
    return bool(getattr(kind, "_is_protocol", False)) and _name(kind) != "SequenceNotStr"
