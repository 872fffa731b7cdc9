"""Write apps/fix/engine/dictionary.json from the exchange's FIX dictionary in XML.

    python tools/fix_dictionary.py kalshi-fix-dictionary.xml > apps/fix/engine/dictionary.json

The XML is the exchange's; what is taken are its facts: tags, names, types, values, and which message has which field.
"""

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, parse

# What the documentation says and the XML (v1.03) lacks.
VALUES_ADDED = {39: {"5": "REPLACED"}}  # fix-margin/order-entry, "Order Status (39)"
FIELDS_ADDED = {"j": [["RefTagID", "N"]]}  # fix/error-handling, "BusinessMessageReject (35=j)"
# fix/rfq-messages: "empty if rejected", which is no value in FIX. An order placed without a client order id has none.
NOT_REQUIRED = {("AI", "QuoteID"), ("8", "ClOrdID")}


def entries(parent: Element, numbers: dict[str, int]) -> list[Any]:
    """Return [tag, required] for a field and [tag, required, [entries]] for a repeating group, in order."""
    found: list[Any] = []
    for item in parent:
        tag, required = numbers[item.attrib["name"]], item.attrib["required"]
        found.append([tag, required, entries(item, numbers)] if item.tag == "group" else [tag, required])
    return found


def convert(root: Element) -> dict[str, Any]:
    """Return the dictionary as JSON-ready data."""
    fields_of = {item.attrib["name"]: item for item in root.findall("./fields/field")}
    numbers = {name: int(item.attrib["number"]) for name, item in fields_of.items()}
    fields = {}
    for name, item in sorted(fields_of.items(), key=lambda pair: numbers[pair[0]]):
        values = {value.attrib["enum"]: value.attrib["description"] for value in item.findall("value")}
        values |= VALUES_ADDED.get(numbers[name], {})
        fields[str(numbers[name])] = [name, item.attrib["type"], values] if values else [name, item.attrib["type"]]
    messages = {}
    for item in root.findall("./messages/message"):
        kind = item.attrib["msgtype"]
        listed = entries(item, numbers)
        optional = {numbers[name] for message, name in NOT_REQUIRED if message == kind}
        listed = [[row[0], "N", *row[2:]] if row[0] in optional else row for row in listed]
        listed += [[numbers[name], required] for name, required in FIELDS_ADDED.get(kind, [])]
        messages[kind] = [item.attrib["name"], item.attrib["msgcat"], listed]
    return {
        "header": [row[:2] for row in entries(root.find("header") or Element("header"), numbers)],
        "trailer": [row[:2] for row in entries(root.find("trailer") or Element("trailer"), numbers)],
        "fields": fields,
        "messages": messages,
    }


def written(data: dict[str, Any]) -> str:
    """Return the file's text: one field or message per line, so that a change of the dictionary reads well."""

    def block(rows: dict[str, Any]) -> str:
        lines = [f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in rows.items()]
        return "{\n" + ",\n".join(lines) + "\n  }"

    return (
        "{\n"
        f'  "header": {json.dumps(data["header"])},\n'
        f'  "trailer": {json.dumps(data["trailer"])},\n'
        f'  "fields": {block(data["fields"])},\n'
        f'  "messages": {block(data["messages"])}\n'
        "}\n"
    )


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    sys.stdout.write(written(convert(parse(Path(sys.argv[1])).getroot())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
