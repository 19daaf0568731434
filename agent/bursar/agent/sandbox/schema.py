"""What is the smallest value that fits a JSON schema? For tool inputs and structured outputs."""

from typing import Any

from bursar.agent.sandbox.errors import invalid
from bursar.agent.sandbox.fields import Json, is_list, is_object

_MAX_DEPTH = 16
_TEXT = "sandbox"


def example(schema: Json) -> Any:
    """A value for a schema made of types, enum, const, anyOf, local $ref, required properties and simple minima."""
    return _value(schema, schema, 0)


def _value(schema: Json, root: Json, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise invalid("schema", f"nested deeper than {_MAX_DEPTH} levels or recursive; use a flat schema")
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    other = _elsewhere(schema, root)
    return _typed(schema, root, depth) if other is None else _value(other, root, depth + 1)


def _elsewhere(schema: Json, root: Json) -> Json | None:
    """The schema that stands for this one: the target of a local $ref, or the first alternative."""
    if "$ref" in schema:
        return _resolve(str(schema["$ref"]), root)
    for name in ("anyOf", "oneOf", "allOf"):
        if is_list(schema.get(name)) and schema[name]:
            first = schema[name][0]
            return first if is_object(first) else {}
    return None


def _resolve(reference: str, root: Json) -> Json:
    found: object = root
    for name in reference.removeprefix("#/").split("/"):
        found = found.get(name) if is_object(found) else None
    if not is_object(found):
        raise invalid("schema", f"$ref '{reference}' leads nowhere; define it under $defs")
    return found


def _typed(schema: Json, root: Json, depth: int) -> Any:
    kind = schema.get("type")
    if is_list(kind):
        kind = kind[0]
    if kind == "object" or (kind is None and "properties" in schema):
        properties: Json = schema.get("properties") or {}
        names: list[str] = schema.get("required") or []
        return {name: _value(properties.get(name) or {}, root, depth + 1) for name in names}
    if kind == "array":
        return [_value(schema.get("items") or {}, root, depth + 1) for _ in range(schema.get("minItems") or 0)]
    if kind in ("integer", "number"):
        return schema.get("minimum") or 0
    return {"boolean": False, "null": None}.get(str(kind), _TEXT)
