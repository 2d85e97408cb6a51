"""Random replies that satisfy a JSON Schema, as a grammar would let a model write them: repeated names too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["", " ", "Convolutions first.", "\x00\n", "\ud800", "</script>", '{"principles": []}', "9" * 3_000]
    ),
)
KNOWN = {
    *("title", "description", "type", "properties", "required", "additionalProperties", "items", "minItems"),
    *("maxItems", "enum", "anyOf", "$ref", "$defs"),
}
"""The words of JSON Schema that replies are described by: what OpenAI's strict mode and llama.cpp's grammars know."""


def instances(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Everything that satisfies the schema, of the words that are ``KNOWN``."""
    known = schema.get("$defs", {}) if definitions is None else definitions
    assert set(schema) <= KNOWN, schema
    if "$ref" in schema:
        return st.deferred(lambda: instances(known[schema["$ref"].removeprefix("#/$defs/")], known))
    if "anyOf" in schema:
        return st.one_of([instances(one, known) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "object":
        assert not schema["additionalProperties"]
        assert schema["required"] == list(schema["properties"])
        return st.fixed_dictionaries({name: instances(one, known) for name, one in schema["properties"].items()})
    if schema["type"] == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems", 5)
        longest = 8 if "enum" in schema["items"] else max(3, least)  # names often stand twice
        return st.lists(instances(schema["items"], known), min_size=least, max_size=min(most, longest))
    assert schema["type"] == "string"
    return TEXTS


def depth_of(schema: Mapping[str, Any], definitions: Mapping[str, Any], inside: tuple[str, ...] = ()) -> int:
    """The deepest nesting of objects that a schema allows. Raises AssertionError for one that refers to itself."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        assert name not in inside, f"{name} refers to itself"
        return depth_of(definitions[name], definitions, (*inside, name))
    parts = [*schema.get("anyOf", ()), *schema.get("properties", {}).values()]
    if "items" in schema:
        parts.append(schema["items"])
    return max((depth_of(part, definitions, inside) for part in parts), default=0) + (schema.get("type") == "object")


def written(value: Any) -> str:
    return json.dumps(value)
