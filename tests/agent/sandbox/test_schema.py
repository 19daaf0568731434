"""Claims about example values."""

from typing import Any

import pytest

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.schema import example

WORD = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (WORD, "sandbox"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "number"}, 0),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": ["string", "null"]}, "sandbox"),
        ({"enum": ["red", "blue"]}, "red"),
        ({"const": 7}, 7),
        ({"anyOf": [{"type": "null"}, WORD]}, None),
        ({"type": "array", "items": WORD}, []),
        ({"type": "array", "items": WORD, "minItems": 2}, ["sandbox", "sandbox"]),
        ({"type": "object", "properties": {"a": WORD, "b": WORD}, "required": ["a"]}, {"a": "sandbox"}),
        ({"properties": {"a": {"type": "object"}}, "required": ["a"]}, {"a": {}}),
        (
            {
                "$defs": {"P": {"type": "integer"}},
                "type": "object",
                "properties": {"p": {"$ref": "#/$defs/P"}},
                "required": ["p"],
            },
            {"p": 0},
        ),
    ],
)
def test_example(schema: dict[str, Any], value: Any) -> None:
    """The smallest value that the schema allows."""
    assert example(schema) == value


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "#"}, "leads nowhere"),
        ({"$ref": "#/$defs/Q"}, "schema: \\$ref '#/\\$defs/Q' leads nowhere; define it under \\$defs"),
        ({"$defs": {"N": {"$ref": "#/$defs/N"}}, "$ref": "#/$defs/N"}, "nested deeper than 16 levels or recursive"),
    ],
)
def test_schemas_without_an_example(schema: dict[str, Any], message: str) -> None:
    """A recursive schema or a lost reference is a 400."""
    with pytest.raises(ApiError, match=message):
        example(schema)
