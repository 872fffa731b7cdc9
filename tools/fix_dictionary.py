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
VALUES_ADDED = {
    39: {"5": "REPLACED"},  # fix-margin/order-entry, "Order Status (39)"
    35: {  # fix-margin/market-data
        "V": "MARKET_DATA_REQUEST",
        "W": "MARKET_DATA_SNAPSHOT_FULL_REFRESH",
        "X": "MARKET_DATA_INCREMENTAL_REFRESH",
        "Y": "MARKET_DATA_REQUEST_REJECT",
    },
}
FIELDS_ADDED = {"j": [["RefTagID", "N"]]}  # fix/error-handling, "BusinessMessageReject (35=j)"
# The XML has no market data (fix-margin/market-data). 279=0 is FIX's own for a new level, which the page does not list.
MARKET_DATA_FIELDS = {
    263: ["SubscriptionRequestType", "CHAR", {"0": "SNAPSHOT", "1": "SNAPSHOT_PLUS_UPDATES", "2": "DISABLE_UPDATES"}],
    268: ["NoMDEntries", "NUMINGROUP"],
    269: ["MDEntryType", "CHAR", {"0": "BID", "1": "OFFER"}],
    270: ["MDEntryPx", "PRICE"],
    271: ["MDEntrySize", "QTY"],
    279: ["MDUpdateAction", "CHAR", {"0": "NEW", "1": "CHANGE", "2": "DELETE"}],
    281: ["MDReqRejReason", "CHAR", {"2": "INSUFFICIENT_BANDWIDTH", "4": "UNSUPPORTED_SUBSCRIPTION_REQUEST_TYPE"}],
}
MARKET_DATA_MESSAGES = {
    "V": ["MarketDataRequest", "app", [[263, "Y"], [146, "N", [[55, "Y"]]]]],
    "W": ["MarketDataSnapshotFullRefresh", "app", [[55, "Y"], [268, "Y", [[269, "Y"], [270, "Y"], [271, "Y"]]]]],
    "X": [
        "MarketDataIncrementalRefresh",
        "app",
        [[268, "Y", [[279, "Y"], [55, "Y"], [269, "Y"], [270, "Y"], [271, "Y"]]]],
    ],
    "Y": ["MarketDataRequestReject", "app", [[281, "N"], [58, "N"]]],
}
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
    fields |= {str(tag): row for tag, row in MARKET_DATA_FIELDS.items()}
    messages: dict[str, list[Any]] = {}
    for item in root.findall("./messages/message"):
        kind = item.attrib["msgtype"]
        listed = entries(item, numbers)
        optional = {numbers[name] for message, name in NOT_REQUIRED if message == kind}
        listed = [[row[0], "N", *row[2:]] if row[0] in optional else row for row in listed]
        listed += [[numbers[name], required] for name, required in FIELDS_ADDED.get(kind, [])]
        messages[kind] = [item.attrib["name"], item.attrib["msgcat"], listed]
    messages |= MARKET_DATA_MESSAGES
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
