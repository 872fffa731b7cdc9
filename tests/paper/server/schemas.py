"""Checks answers against the exchange's published OpenAPI file (3.18.0)."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml


@cache
def document(folder: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: dict[str, Any] = yaml.load((folder / "kalshi-openapi.yaml").read_text(), Loader=loader)
    return _nullable(content)


def _nullable(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` in JSON Schema's words."""
    if isinstance(node, list):
        return [_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _nullable(value) for key, value in node.items()}
    if node.pop("nullable", False) is True:
        rest = {key: node.pop(key) for key in list(node) if key != "description"}
        return {"anyOf": [rest, {"type": "null"}]}
    return node


def check_answer(folder: Path, method: str, path: str, status: int, body: Any) -> None:
    """Raise when `body` is not what the operation documents for this status.

    path: a template of the file. Unknown fields fail too: what we send, the file must know.
    """
    spec = document(folder)
    answer = spec["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in answer:
        answer = _resolve(spec, answer["$ref"])
    # Some refusals have a description and no body in the file; the error body is the same everywhere.
    content = answer.get("content", {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}})
    schema = content["application/json"]["schema"]
    jsonschema.Draft4Validator(spec | schema).validate(body)
    _check_fields(spec, schema, body, path)


def _check_fields(spec: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> None:
    while "$ref" in schema:
        schema = _resolve(spec, schema["$ref"])
    options = schema.get("anyOf") or schema.get("allOf")
    if options and value is not None:
        _check_fields(spec, options[0], value, where)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _check_fields(spec, schema["items"], item, f"{where}[]")
    elif isinstance(value, dict) and "properties" in schema:
        unknown = set(value) - set(schema["properties"])
        assert not unknown, f"{where}: fields that the file does not know: {sorted(unknown)}"
        for name, item in value.items():
            _check_fields(spec, schema["properties"][name], item, f"{where}.{name}")


def _resolve(spec: dict[str, Any], reference: str) -> dict[str, Any]:
    node: Any = spec
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return dict(node)


def has_body(folder: Path, method: str, path: str, status: int) -> bool:
    """Whether the file documents a body for this answer."""
    answer = document(folder)["paths"][path][method.lower()]["responses"][str(status)]
    return "$ref" in answer or "content" in answer


def documented_operations(folder: Path) -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, item in document(folder)["paths"].items()
        for method in item
        if re.fullmatch("get|post|put|delete", method)
    }


def documented_statuses(folder: Path, method: str, path: str) -> set[int]:
    """The status codes that the file has for an operation."""
    return {int(status) for status in document(folder)["paths"][path][method.lower()]["responses"]}
