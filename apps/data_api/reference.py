"""The OpenAPI document as a page can draw it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """An argument or a field. type: in words."""

    name: str
    type: str
    text: str


@dataclass(frozen=True, slots=True)
class Described:
    name: str
    method: str
    path: str
    summary: str
    text: str
    arguments: list[Line]
    fields: list[Line]


def reference_of(document: Mapping[str, Any]) -> list[Described]:
    """Return every operation of the document, in its order."""
    schemas = document.get("components", {}).get("schemas", {})
    return [
        _described(path, method, operation, schemas)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _described(path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Described:
    answer = operation["responses"][200]["content"]["application/json"]["schema"]
    arguments = [
        Line(one["name"], _type(one["schema"]), one["schema"].get("description", one.get("description", "")))
        for one in operation.get("parameters", [])
    ]
    return Described(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        text=operation.get("description", "").replace("`", ""),
        arguments=arguments,
        fields=list(_fields(answer, schemas)),
    )


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str = "") -> list[Line]:
    """Name nested fields by their path: `rows[].market`."""
    if schema.get("type") == "array":
        return _fields(schema["items"], schemas, f"{prefix}[].")
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[-1]]
    lines: list[Line] = []
    for name, one in schema.get("properties", {}).items():
        if one.get("type") == "array" and "$ref" in one["items"]:
            lines += _fields(one, schemas, f"{prefix}{name}")
        else:
            lines.append(Line(f"{prefix}{name}", _type(one), one.get("description", "")))
    return lines


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "object"))
