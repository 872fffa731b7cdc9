"""What was recorded in production and the same from the paper exchange: same fields, same types, same digits.

Skipped in words where the recordings are absent.
"""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.paper.engine.ids import market_uuid
from apps.paper.testing import EVENT, LINEAR, LINEAR_2, SERIES, InProcessPaper
from tests.conftest import RECORDED
from tests.paper.server.orders import create
from tests.paper.server.schemas import document

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?Z")
DECIMAL = re.compile(r"-?\d+\.(\d+)")
DELTAS_READ = 5_000  # per file; nearly all frames are deltas
# Texts whose digits mean nothing: written by hand in both worlds.
FREE_TEXT = {"expiration_value", "title", "sub_title", "yes_sub_title", "no_sub_title", "rules_primary"}


def pattern(name: str, value: Any) -> str:
    """Type and digits of a value: what a parser has to get along with."""
    match value:
        case bool() | None:
            return type(value).__name__
        case int() if name.startswith("ts"):
            return f"int of {len(str(value))} digits"
        case int():
            return "int"
        case float():
            return "float"
        case list():
            return f"[{'|'.join(sorted({pattern(name, item) for item in value}))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {pattern(key, item)}' for key, item in sorted(value.items()))}}}"
    text = str(value)
    if name in FREE_TEXT:
        return "text"
    if UUID.fullmatch(text):
        return "uuid"
    if found := TIME.fullmatch(text):
        fraction = found[1] or ""
        return "time with zeros at its end" if fraction.endswith("0") or len(fraction) > 6 else "time"
    if found := DECIMAL.fullmatch(text):
        return f"decimal of {len(found[1])} places"
    return "text" if text else "empty text"


class Shapes:
    """Of many messages: which sets of fields there are, and which patterns each field has."""

    def __init__(self, messages: Iterable[dict[str, Any]]) -> None:
        self.fields: dict[str, set[frozenset[str]]] = defaultdict(set)
        self.patterns: dict[tuple[str, str], set[str]] = defaultdict(set)
        for message in messages:
            kind, msg = message["type"], message["msg"]
            self.fields[kind].add(frozenset(message) | {f"msg.{name}" for name in msg})
            for name, value in (message | msg).items():
                if name != "msg":
                    self.patterns[kind, name].add(pattern(name, value))


def recorded_messages(files: list[Path]) -> Iterable[dict[str, Any]]:
    for path in files:
        deltas = 0
        with gzip.open(path, "rb") as lines:
            for line in lines:
                if b'"orderbook_delta"' in line:
                    deltas += 1
                    if deltas > DELTAS_READ:
                        continue
                yield json.loads(line)["event"]


def paper_messages() -> list[dict[str, Any]]:
    """A public member's view: books with both sides, one and none; deltas of both sides and signs; trades."""
    paper = InProcessPaper()
    socket = paper.socket("trader-2")
    with paper.client("maker") as maker, paper.client("trader-1") as trader:
        create(maker, price="0.4000", count="1791.75")
        create(maker, side="ask", price="0.5600", count="2.50")
        frames = socket.send("subscribe", channels=["orderbook_delta", "trade"], market_tickers=[LINEAR, LINEAR_2])
        paper.clock.step(1_501)
        create(trader, price="0.5600", count="1.25")
        create(trader, side="ask", price="0.4000", count="30.00")
        create(trader, price="0.0100", count="7.00")
    return [frame for frame in frames + socket.take() if frame["type"] != "subscribed"]


@pytest.fixture(scope="module")
def recorded(recorded_files: list[Path]) -> Shapes:
    return Shapes(recorded_messages(recorded_files))


@pytest.fixture(scope="module")
def paper_made() -> Shapes:
    return Shapes(paper_messages())


@pytest.mark.parametrize("kind", ["orderbook_snapshot", "orderbook_delta", "trade"])
def test_frames_have_the_fields_of_recorded_ones(kind: str, recorded: Shapes, paper_made: Shapes) -> None:
    assert paper_made.fields[kind] == recorded.fields[kind]


@pytest.mark.parametrize("kind", ["orderbook_snapshot", "orderbook_delta", "trade"])
def test_frames_have_the_types_and_digits_of_recorded_ones(kind: str, recorded: Shapes, paper_made: Shapes) -> None:
    mine = {name: found for (of, name), found in paper_made.patterns.items() if of == kind}
    theirs = {name: found for (of, name), found in recorded.patterns.items() if of == kind}

    assert mine == theirs


# --- event records -----------------------------------------------------------------------------------
def settled_event() -> dict[str, Any]:
    """GET /events of an event like the recorded ones: one market with a strike, traded and settled."""
    paper = InProcessPaper()
    exchange, ticker = paper.exchange, "KXTEST-31AUG11-30"
    event = replace(
        exchange.events[EVENT],
        ticker="KXTEST-31AUG11",
        mutually_exclusive=False,
        collateral_return_type="",
        product_metadata={"cadence": "fifteen_min"},
        market_tickers=[],
    )
    exchange.list_event(event)
    market = exchange.markets[LINEAR]
    exchange.list_market(
        replace(
            market,
            ticker=ticker,
            event_ticker=event.ticker,
            market_id=market_uuid(ticker),
            strike_type="greater_or_equal",
            floor_strike=Decimal("4414.4"),
            custom_strike={"round_digits": "2"},
            occurrence_ms=market.expected_expiration_ms,
            rules_secondary="Rounded to two places.",
        )
    )
    with paper.client("maker") as maker, paper.client("trader-1") as trader:
        create(maker, ticker=ticker, side="ask", price="0.5600", count="20.67")
        create(trader, ticker=ticker, price="0.5600", count="10.67")
        for step in ({"action": "close_early"}, {"action": "determine", "result": "yes"}, {"action": "settle"}):
            paper.control("POST", "/market", {"ticker": ticker} | step)
        answer: dict[str, Any] = trader.get(f"/events/{event.ticker}").json()
    assert answer["event"]["series_ticker"] == SERIES
    return answer


@pytest.fixture(scope="module")
def records(recorded_files: list[Path]) -> list[dict[str, Any]]:
    paths = sorted(RECORDED.glob("metadata/*.json"))
    return [json.loads(path.read_text())["response"] for path in paths]


@pytest.fixture(scope="module")
def editions(reference: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """What 3.18.0 (ours) and 3.28.0 (theirs) know of events and markets: schema -> edition -> fields."""
    later = yaml.safe_load((reference / "kalshi-openapi-2026-08-22.yaml").read_text())
    found = {"ours": document(reference), "theirs": later}
    return {
        schema: {name: file["components"]["schemas"][schema]["properties"] for name, file in found.items()}
        for schema in ("EventData", "Market")
    }


@pytest.mark.parametrize(("part", "schema"), [("event", "EventData"), ("market", "Market")])
def test_event_records_differ_from_recorded_ones_by_the_edition_only(
    part: str, schema: str, records: list[dict[str, Any]], editions: dict[str, dict[str, dict[str, Any]]]
) -> None:
    answer = settled_event()
    mine = answer["event"] if part == "event" else answer["markets"][0]
    theirs = [record["event"] for record in records] if part == "event" else [m for r in records for m in r["markets"]]
    known = editions[schema]

    assert set(answer) == set(records[0])
    for record in theirs:
        newer, older = set(record) - set(mine), set(mine) - set(record)
        assert all(name in known["theirs"] and name not in known["ours"] for name in newer), newer
        assert all(name in known["ours"] and name not in known["theirs"] for name in older), older


@pytest.mark.parametrize("part", ["event", "market"])
def test_event_records_have_the_types_and_digits_of_recorded_ones(part: str, records: list[dict[str, Any]]) -> None:
    answer = settled_event()
    mine = answer["event"] if part == "event" else answer["markets"][0]
    theirs = [record["event"] for record in records] if part == "event" else [m for r in records for m in r["markets"]]
    for name in set(mine) & set(theirs[0]):
        seen = {pattern(name, record[name]) for record in theirs}
        assert pattern(name, mine[name]) in seen, (name, mine[name], seen)
