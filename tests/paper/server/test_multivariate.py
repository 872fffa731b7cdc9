"""Combos over REST and WebSocket: from their creation to their settlement."""

from pathlib import Path
from typing import Any

import pytest

from apps.paper.testing import DECI, EVENT, LINEAR, LINEAR_2, TAPERED, InProcessPaper
from tests.paper.server.combos import COLLECTION, DAY_MS, MVE, PAIR, TRIPLE, list_collection, selected
from tests.paper.server.orders import ORDERS, create, order_body
from tests.paper.server.schemas import check_answer

MINE = f"/multivariate_event_collections/{COLLECTION}"
CREATE = "/multivariate_event_collections/{collection_ticker}"


@pytest.fixture
def combos() -> InProcessPaper:
    paper = InProcessPaper()
    list_collection(paper)
    return paper


def post(paper: InProcessPaper, body: dict[str, Any], *, status: int = 200) -> dict[str, Any]:
    with paper.client("trader-1") as client:
        response = client.post(MINE, json=body)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    return answer


def get(paper: InProcessPaper, path: str) -> dict[str, Any]:
    with paper.client() as client:
        response = client.get(path)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def end(paper: InProcessPaper, ticker: str, result: str) -> None:
    for step in ({"action": "close_early"}, {"action": "determine", "result": result}):
        paper.control("POST", "/market", {"ticker": ticker} | step)


def test_a_created_market_is_told_with_its_legs_and_is_the_same_when_asked_again(combos: InProcessPaper) -> None:
    first = post(combos, PAIR | {"with_market_payload": True})
    market = first.pop("market")

    assert first == post(combos, {"selected_markets": list(reversed(PAIR["selected_markets"]))})
    assert market == get(combos, f"/markets/{first['market_ticker']}")["market"]
    assert market["mve_collection_ticker"] == COLLECTION
    assert market["mve_selected_legs"] == [
        {"event_ticker": EVENT, "market_ticker": ticker, "side": "no"} for ticker in sorted((LINEAR, DECI))
    ]
    assert market["price_ranges"][0] == {"start": "0.0000", "end": "0.0100", "step": "0.0001"}
    assert market["is_provisional"] is True


def test_combos_are_in_their_own_lists_and_not_among_the_events(combos: InProcessPaper) -> None:
    pair, triple = post(combos, PAIR), post(combos, TRIPLE)
    list_collection(combos, ticker=f"{COLLECTION}-2")

    tickers = {event["event_ticker"] for event in get(combos, "/events")["events"]}
    only = {market["ticker"] for market in get(combos, "/markets?mve_filter=only")["markets"]}
    without = {market["ticker"] for market in get(combos, "/markets?mve_filter=exclude")["markets"]}
    everything = {market["ticker"] for market in get(combos, "/markets")["markets"]}
    nested = get(combos, f"/events/multivariate?with_nested_markets=true&series_ticker={MVE}")

    assert pair["event_ticker"] not in tickers
    assert only == {pair["market_ticker"], triple["market_ticker"]}
    assert LINEAR in without
    assert everything == only | without
    assert {m["ticker"] for event in nested["events"] for m in event["markets"]} == only
    assert get(combos, f"/events/multivariate?collection_ticker={COLLECTION}-2")["events"] == []
    assert get(combos, f"/events/{pair['event_ticker']}")["markets"][0]["ticker"] == pair["market_ticker"]


def test_pages_of_events_and_collections_hold_each_row_once(combos: InProcessPaper) -> None:
    for ticker in (DECI, TAPERED, LINEAR_2):
        post(combos, {"selected_markets": selected(LINEAR, ticker, side="no")})
    post(combos, TRIPLE)
    for number in range(3):
        list_collection(combos, ticker=f"{COLLECTION}-{number}")
    for path, name, key, rows in (
        ("/events/multivariate", "events", "event_ticker", 2),  # the pairs share one, their events are the same
        ("/multivariate_event_collections", "multivariate_contracts", "collection_ticker", 4),
    ):
        seen: list[str] = []
        cursor = ""
        while True:
            page = get(combos, f"{path}?limit=1&cursor={cursor}")
            seen += [row[key] for row in page[name]]
            cursor = page["cursor"]
            if not cursor:
                break
        assert len(seen) == len(set(seen)) == rows


def test_collections_are_found_by_status_series_and_event(combos: InProcessPaper) -> None:
    now = combos.clock.now_ms()
    list_collection(combos, ticker=f"{COLLECTION}-OLD", close_ms=now)
    list_collection(combos, ticker=f"{COLLECTION}-NEW", open_ms=now + 1, events={})

    def found(query: str) -> list[str]:
        rows = get(combos, f"/multivariate_event_collections?{query}")["multivariate_contracts"]
        return [row["collection_ticker"] for row in rows]

    assert found("status=open") == [COLLECTION]
    assert found("status=closed") == [f"{COLLECTION}-OLD"]
    assert found("status=unopened") == [f"{COLLECTION}-NEW"]
    assert found(f"associated_event_ticker={EVENT}") == [COLLECTION, f"{COLLECTION}-OLD"]
    assert found("series_ticker=KXNONE") == []
    assert len(found(f"series_ticker={MVE}")) == 3


def test_the_rules_of_a_collection_are_told_by_event_as_well(combos: InProcessPaper) -> None:
    list_collection(combos, is_all_yes=True, is_single_market_per_event=True)
    contract = get(combos, MINE)["multivariate_contract"]

    assert contract["associated_events"] == [
        {"ticker": EVENT, "is_yes_only": True, "size_max": 1, "size_min": None, "active_quoters": ["maker"]}
    ]
    assert contract["associated_event_tickers"] == [EVENT]


def test_the_weekly_limit_is_a_429_of_the_documented_shape(combos: InProcessPaper, reference: Path) -> None:
    combos.control("POST", "/combos", {"creations_per_week": 1})
    post(combos, PAIR)
    refused = post(combos, TRIPLE, status=429)

    check_answer(reference, "POST", CREATE, 429, refused)
    post(combos, PAIR)


def test_a_look_up_before_creation_is_a_404_and_after_it_is_told_and_remembered(combos: InProcessPaper) -> None:
    socket = combos.socket("trader-2")
    socket.send("subscribe", channels=["multivariate"])
    with combos.client("trader-1") as client:
        assert client.put(f"{MINE}/lookup", json=PAIR).status_code == 404
        made = client.post(MINE, json=PAIR).json()
        assert client.put(f"{MINE}/lookup", json=PAIR).json() == made
    frames = [frame for frame in socket.frames if frame["type"] == "multivariate_lookup"]
    points = get(combos, f"{MINE}/lookup?lookback_seconds=10")["lookup_points"]

    selected_markets = sorted(PAIR["selected_markets"], key=lambda row: row["market_ticker"])
    expected = made | {"selected_markets": selected_markets}
    assert [frame["msg"] for frame in frames] == [expected | {"collection_ticker": COLLECTION}]
    assert [point | {"last_queried_ts": ""} for point in points] == [expected | {"last_queried_ts": ""}]
    combos.clock.step(10_001)
    assert get(combos, f"{MINE}/lookup?lookback_seconds=10")["lookup_points"] == []


def test_each_lifecycle_channel_tells_its_own_markets_and_events(combos: InProcessPaper) -> None:
    plain, mve = combos.socket("trader-1"), combos.socket("trader-1")
    plain.send("subscribe", channels=["market_lifecycle_v2"])
    mve.send("subscribe", channels=["multivariate_market_lifecycle"])
    made = post(combos, PAIR)
    end(combos, LINEAR, "yes")  # the combo needs no
    combos.clock.step(2 * DAY_MS)
    combos.exchange.expire_due()

    def told(frames: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
        rows = [frame for frame in frames if frame["type"] not in ("subscribed", "ok")]
        return [(f["type"], f["msg"].get("event_type", ""), f["msg"].get("market_ticker", "")) for f in rows]

    ticker = made["market_ticker"]
    assert told(mve.frames) == [
        ("event_lifecycle", "", ""),
        ("multivariate_market_lifecycle", "created", ticker),
        ("multivariate_market_lifecycle", "close_date_updated", ticker),
        ("multivariate_market_lifecycle", "determined", ticker),
        ("multivariate_market_lifecycle", "settled", ticker),
    ]
    assert [row[1:] for row in told(plain.frames)] == [
        ("close_date_updated", LINEAR),
        ("determined", LINEAR),
        ("settled", LINEAR),
    ]


def test_a_combo_trades_and_pays_when_its_last_leg_is_known(combos: InProcessPaper) -> None:
    ticker = post(combos, PAIR)["market_ticker"]
    with combos.client("maker") as maker, combos.client("trader-1") as trader:
        create(maker, ticker=ticker, side="ask", price="0.1230", count="10.00")
        create(trader, ticker=ticker, price="0.1230", count="10.00")
        assert trader.post(ORDERS, json=order_body(ticker=ticker, price="0.1235")).status_code == 400
        end(combos, LINEAR, "no")
        assert get(combos, f"/markets/{ticker}")["market"]["status"] == "active"
        end(combos, DECI, "no")
        combos.clock.step(2 * DAY_MS)
        settlements = trader.get("/portfolio/settlements").json()["settlements"]
    market = get(combos, f"/markets/{ticker}")["market"]

    assert (market["status"], market["result"], market["settlement_value_dollars"]) == ("finalized", "yes", "1.0000")
    assert {leg["yes_settlement_value_dollars"] for leg in market["mve_selected_legs"]} == {"0.0000"}
    assert [(row["ticker"], row["revenue"], row["value"]) for row in settlements] == [(ticker, 1_000, 100)]


def test_a_void_leg_voids_the_combo_and_returns_its_cost(combos: InProcessPaper, reference: Path) -> None:
    ticker = post(combos, PAIR)["market_ticker"]
    with combos.client("maker") as maker, combos.client("trader-1") as trader:
        create(maker, ticker=ticker, side="ask", price="0.1230", count="10.00")
        create(trader, ticker=ticker, price="0.1230", count="10.00")
        end(combos, LINEAR, "void")
        end(combos, DECI, "no")
        combos.clock.step(2 * DAY_MS)
        answer = trader.get("/portfolio/settlements").json()
    market = get(combos, f"/markets/{ticker}")["market"]

    check_answer(reference, "GET", "/portfolio/settlements", 200, answer)
    (row,) = answer["settlements"]
    assert (row["market_result"], row["revenue"], row["value"]) == ("void", 123, None)
    assert (market["status"], market["result"]) == ("finalized", "")
    assert "settlement_value_dollars" not in market


def test_the_result_of_a_combo_is_nobodys_to_set(combos: InProcessPaper) -> None:
    ticker = post(combos, PAIR)["market_ticker"]
    combos.control("POST", "/market", {"ticker": ticker, "action": "close_early"})
    for step in ({"action": "determine", "result": "yes"}, {"action": "dispute"}):
        assert combos.control_response("POST", "/market", {"ticker": ticker} | step).status == 400
