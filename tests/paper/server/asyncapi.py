"""Checks WebSocket messages against the exchange's published AsyncAPI file (edition of 2026-05-12)."""

import copy
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from apps.core.timestamps import parse_rfc3339

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(uuid.UUID(value)) == value


@FORMATS.checks("date-time", raises=Exception)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or (bool(parse_rfc3339(value)) and value.endswith("Z"))


@cache
def components(folder: Path) -> dict[str, Any]:
    """Messages and schemas as published."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Any] = yaml.load((folder / "kalshi-asyncapi.yaml").read_text(), Loader=loader)["components"]
    return found


def example_commands(folder: Path) -> list[dict[str, Any]]:
    """Every example of what a client sends."""
    rows = [row for name, row in components(folder)["messages"].items() if "Command" in name]
    return [example["payload"] for row in rows for example in row["examples"]]


@cache
def schemas(folder: Path) -> dict[str, Any]:
    """The file's schemas, mended where they contradict its own examples and text."""
    found: dict[str, Any] = copy.deepcopy(components(folder)["schemas"])
    # Its examples have dots.
    assert found["marketTicker"]["pattern"] == "^[A-Z0-9-]+$"
    found["marketTicker"]["pattern"] = "^[A-Z0-9.-]+$"
    # A message cannot be of two types: the second one counts.
    general, own = found["multivariateMarketLifecyclePayload"]["allOf"]
    lifecycle = found[general["$ref"].rpartition("/")[2]]
    found["multivariateMarketLifecyclePayload"] = lifecycle | {
        "properties": lifecycle["properties"] | own["properties"]
    }
    # The table of the same file and the quick start have a code 25.
    code = found["errorResponsePayload"]["properties"]["msg"]["properties"]["code"]
    assert code["maximum"] == 22
    code["maximum"] = 25
    return found


@cache
def payloads(folder: Path) -> dict[str, dict[str, Any]]:
    """Message type -> schema of everything that the server sends; the answer to list_subscriptions is `ok []`."""
    found: dict[str, dict[str, Any]] = {}
    for name, schema in schemas(folder).items():
        if name.endswith("Payload") and "CommandPayload" not in name:
            kind = schema["properties"]["type"]["const"]
            found["ok []" if name == "listSubscriptionsResponsePayload" else kind] = schema
    return found


def kind_of(frame: dict[str, Any]) -> str:
    """The key of `payloads` for a frame."""
    return "ok []" if isinstance(frame.get("msg"), list) else str(frame["type"])


def check_frame(folder: Path, frame: dict[str, Any], *, seq_may_come: bool = True) -> None:
    """Raise when a frame is not what the file says. Fields that it does not know fail, too.

    seq_may_come: trades carry a `seq` in production that the file does not have.
    """
    schema = payloads(folder)[kind_of(frame)]
    whole = schema | {"components": {"schemas": schemas(folder)}}
    jsonschema.Draft7Validator(whole, format_checker=FORMATS).validate(frame)
    known = set(_documented(folder, schema, ""))
    unknown = set(fields_of(frame)) - known - ({"seq"} if seq_may_come and frame["type"] == "trade" else set())
    assert not unknown, f"{frame['type']}: fields that the file does not know: {sorted(unknown)}"


def documented_channels(folder: Path) -> set[str]:
    """What `subscribe` may name."""
    params = schemas(folder)["subscribeCommandPayload"]["properties"]["params"]
    return set(params["properties"]["channels"]["items"]["enum"])


def documented_fields(folder: Path, kind: str) -> set[str]:
    """All fields of a message type, nested ones with dots, those of lists with []."""
    return set(_documented(folder, payloads(folder)[kind], ""))


def fields_of(value: Any, where: str = "") -> Iterator[str]:
    """The fields of a message in the same words."""
    if isinstance(value, list):
        for item in value:
            yield from fields_of(item, f"{where}[]")
    elif isinstance(value, dict):
        for name, item in value.items():
            path = f"{where}.{name}" if where else name
            yield path
            # What a market's strike is made of is free.
            if name != "custom_strike":
                yield from fields_of(item, path)


def _documented(folder: Path, schema: dict[str, Any], where: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = schemas(folder)[schema["$ref"].rpartition("/")[2]]
    for name, item in schema.get("properties", {}).items():
        path = f"{where}.{name}" if where else name
        yield path
        yield from _documented(folder, item, path)
    if isinstance(schema.get("items"), dict):
        yield from _documented(folder, schema["items"], f"{where}[]")
