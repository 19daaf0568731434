"""How is one table of the policy file read, key by key, with what is wrong noted and reading going on?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from bursar.policies.amounts import AmountError
from bursar.policies.policyfile.keylines import Path
from bursar.policies.policyfile.mistakes import Mistakes, did_you_mean

T = TypeVar("T")
Word = TypeVar("Word", bound=str)

TOP_KEYS = (
    "version",
    "mode",
    "timezone",
    "on_unreachable",
    "unknown_price",
    "ladder",
    "requires_eval",
    "budget",
    "route",
    "channel",
    "digest",
    "forward",
)
"""The keys at the top of the file."""


class Fields:
    """
    One table.

    What is missing or wrong is noted and answered with the default, so callers need no case for it; a policy with
    mistakes never leaves the parser.
    """

    def __init__(self, table: Mapping[str, Any], path: Path, mistakes: Mistakes, known: Sequence[str]) -> None:
        self._table = table
        self.path = path
        self.mistakes = mistakes
        for key in table:
            if key not in known:
                self.wrong(key, f'unknown key "{key}"', _for_unknown(key, known))

    def wrong(self, key: str, problem: str, remedy: str) -> None:
        """Note a mistake at one key of this table."""
        self.mistakes.add((*self.path, key), problem, remedy)

    def has(self, key: str) -> bool:
        """Whether the key is written."""
        return key in self._table

    def raw(self, key: str) -> object:
        """The value as it is written, or None."""
        return self._table.get(key)

    def text(self, key: str, example: str, *, required: bool = False) -> str | None:
        """A text, or None where there is none. `example` is a whole line that would be right."""
        value = self._table.get(key)
        if isinstance(value, str):
            return value
        if value is not None:
            self.wrong(key, f"a text is expected, not {kind_of(value)}", f"write {example}")
        elif required:
            self.wrong(key, f'"{key}" is missing', f"add {example}")
        return None

    def parsed(self, key: str, parse: Callable[[str], T], default: T, example: str, *, required: bool = False) -> T:
        """A text that `parse` understands; its AmountError becomes a mistake."""
        text = self.text(key, example, required=required)
        if text is None:
            return default
        try:
            return parse(text)
        except AmountError as error:
            self.wrong(key, error.problem, error.remedy)
            return default

    def word(self, key: str, words: Sequence[Word], default: Word, *, required: bool = False) -> Word:
        """One of a few words."""
        example = " or ".join(f'{key} = "{word}"' for word in words)
        text = self.text(key, example, required=required)
        if text is None:
            return default
        for word in words:
            if text == word:
                return word
        self.wrong(key, f'"{text}" is none of its values', f"{did_you_mean(text, words)}write {example}")
        return default

    def flag(self, key: str) -> bool:
        """True or false; false where it is not written."""
        value = self._table.get(key, False)
        if isinstance(value, bool):
            return value
        self.wrong(key, f"true or false is expected, not {kind_of(value)}", f"write {key} = true, without quotes")
        return False

    def whole(self, key: str, least: int, most: int, default: int) -> int:
        """A whole number between two others, both included."""
        value = self._table.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        said = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else kind_of(value)
        self.wrong(key, f"a whole number from {least} to {most} is expected, not {said}", f"write {key} = {default}")
        return default

    def texts(self, key: str, example: str) -> tuple[str, ...]:
        """A list of different, non-empty texts."""
        values = self._table.get(key, [])
        if not isinstance(values, list) or not all(
            isinstance(value, str) and value for value in cast("list[object]", values)
        ):
            self.wrong(key, "a list of texts is expected", f"write {example}")
            return ()
        texts = cast("list[str]", values)
        for text in sorted({text for text in texts if texts.count(text) > 1}):
            self.wrong(key, f'"{text}" stands in it twice', "name each once")
        return tuple(texts)

    def table(self, key: str, example: str) -> dict[str, object]:
        """A table inside this one."""
        value = self._table.get(key, {})
        if isinstance(value, dict):
            return cast("dict[str, object]", value)
        self.wrong(key, f"a table is expected, not {kind_of(value)}", f"write {example}")
        return {}


def tables(data: Mapping[str, Any], key: str, mistakes: Mistakes) -> list[tuple[Path, dict[str, Any]]]:
    """The elements of an array of tables such as [[budget]], each with its path."""
    value = data.get(key, [])
    if not isinstance(value, list):
        mistakes.add(
            (key,), f"{key} is written as one table", f"write [[{key}]], with two brackets, once for each {key}"
        )
        return []
    found: list[tuple[Path, dict[str, Any]]] = []
    for index, element in enumerate(cast("list[object]", value)):
        if isinstance(element, dict):
            found.append(((key, index), cast("dict[str, Any]", element)))
        else:
            mistakes.add(
                (key, index), f"a table is expected, not {kind_of(element)}", f"write [[{key}]] above its keys"
            )
    return found


def names_once(found: Sequence[tuple[Path, Mapping[str, Any]]], mistakes: Mistakes) -> None:
    """Note every name that an earlier table of the same kind has."""
    seen: set[str] = set()
    for path, table in found:
        name = table.get("name")
        if isinstance(name, str) and name in seen:
            mistakes.add((*path, "name"), f'an earlier {path[0]} is named "{name}" too', "give each a name of its own")
        elif isinstance(name, str):
            seen.add(name)


def kind_of(value: object) -> str:
    """A TOML value's type in words."""
    kinds: dict[type, str] = {
        bool: "a truth value",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a table",
    }
    return kinds.get(type(value), "a date or time")


def _for_unknown(key: str, known: Sequence[str]) -> str:
    if key in TOP_KEYS:
        return f'"{key}" belongs at the top of the file, before the first [[…]]'
    return f"{did_you_mean(key, known)}the keys here are {', '.join(known)}"
