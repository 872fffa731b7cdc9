"""WebSocket conversations, without a socket: command in, frames out."""

from typing import Any

from apps.paper.engine.ids import market_uuid
from apps.paper.testing import DECI, LINEAR, LINEAR_2, InProcessPaper, InProcessSocket
from tests.paper.server.orders import ORDERS, create


def error(frames: list[dict[str, Any]]) -> tuple[int, int | None]:
    assert [frame["type"] for frame in frames] == ["error"], frames
    return frames[0]["msg"]["code"], frames[0].get("id")


def books(socket: InProcessSocket, *tickers: str, **params: Any) -> list[dict[str, Any]]:
    return socket.send("subscribe", channels=["orderbook_delta"], market_tickers=list(tickers), **params)


# --- subscribing ---------------------------------------------------------------------------------
def test_a_book_subscription_is_answered_then_sends_one_snapshot_per_market(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker:
        create(maker, price="0.4000")
        create(maker, price="0.4200", count="3.00")
        create(maker, side="ask", price="0.6000", count="7.50")

    frames = books(paper.socket("trader-1"), LINEAR, DECI)

    assert frames == [
        {"id": 1, "type": "subscribed", "msg": {"channel": "orderbook_delta", "sid": 1}},
        {
            "type": "orderbook_snapshot",
            "sid": 1,
            "seq": 1,
            "msg": {
                "market_ticker": LINEAR,
                "market_id": market_uuid(LINEAR),
                "yes_dollars_fp": [["0.4000", "10.00"], ["0.4200", "3.00"]],
                "no_dollars_fp": [["0.4000", "7.50"]],
            },
        },
        # An empty side has no key.
        {
            "type": "orderbook_snapshot",
            "sid": 1,
            "seq": 2,
            "msg": {"market_ticker": DECI, "market_id": market_uuid(DECI)},
        },
    ]


def test_several_channels_get_one_answer_each_with_the_same_id(paper: InProcessPaper) -> None:
    frames = paper.socket("trader-1").send(
        "subscribe", channels=["ticker", "trade", "nonsense", "fill"], market_ticker=LINEAR
    )

    assert [(frame["id"], frame["type"], frame["msg"].get("sid")) for frame in frames] == [
        (1, "subscribed", 1),
        (1, "subscribed", 2),
        (1, "error", None),
        (1, "subscribed", 3),
    ]
    assert frames[2]["msg"] == {"code": 8, "msg": "Unknown channel name"}


def test_list_subscriptions_answers_with_a_list(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["ticker", "fill"])

    frames = socket.send("list_subscriptions")

    assert frames == [{"id": 2, "type": "ok", "msg": [{"channel": "ticker", "sid": 1}, {"channel": "fill", "sid": 2}]}]


def test_a_book_subscription_needs_markets_and_knows_no_market_ids(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")

    without = socket.send("subscribe", channels=["orderbook_delta"])
    by_id = socket.send("subscribe", channels=["orderbook_delta"], market_id=market_uuid(LINEAR))
    unknown = socket.send("subscribe", channels=["orderbook_delta"], market_tickers=[LINEAR, "NONE"])

    assert (error(without)[0], error(by_id)[0], error(unknown)[0]) == (14, 14, 16)
    assert unknown[0]["msg"]["market_ticker"] == "NONE"
    assert socket.send("list_subscriptions")[0]["msg"] == []


# --- books ---------------------------------------------------------------------------------------
def test_seq_counts_the_frames_of_a_subscription_over_all_its_markets(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    first = books(socket, LINEAR, LINEAR_2)

    with paper.client("maker") as maker:
        for ticker in (LINEAR, LINEAR_2, LINEAR, DECI):
            create(maker, ticker=ticker, price="0.1000")
    frames = socket.take()

    assert [frame["seq"] for frame in first[1:] + frames] == [1, 2, 3, 4, 5]
    assert [frame["msg"]["market_ticker"] for frame in frames] == [LINEAR, LINEAR_2, LINEAR]


def test_a_delta_carries_price_signed_size_and_both_times(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    books(socket, LINEAR)

    with paper.client("maker") as maker:
        order_id = create(maker, side="ask", price="0.6000", count="7.50").json()["order_id"]
        maker.delete(f"{ORDERS}/{order_id}")
    placed, cancelled = socket.take()

    assert placed["msg"].pop("ts").endswith("Z")
    assert placed["msg"] == {
        "market_ticker": LINEAR,
        "market_id": market_uuid(LINEAR),
        "price_dollars": "0.4000",
        "delta_fp": "7.50",
        "side": "no",
        "ts_ms": paper.clock.now_ms(),
    }
    assert cancelled["msg"]["delta_fp"] == "-7.50"


def test_use_yes_price_puts_both_sides_on_one_scale(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker:
        create(maker, price="0.4000")
        create(maker, side="ask", price="0.6000")
        create(maker, side="ask", price="0.6500")
    socket = paper.socket("trader-1")
    snapshot = books(socket, LINEAR, use_yes_price=True)[1]["msg"]

    with paper.client("maker") as maker:
        create(maker, side="ask", price="0.7000")
        create(maker, price="0.3000")
    no_delta, yes_delta = socket.take()

    assert snapshot["yes_dollars_fp"] == [["0.4000", "10.00"]]
    assert snapshot["no_dollars_fp"] == [["0.6000", "10.00"], ["0.6500", "10.00"]]
    assert (no_delta["msg"]["side"], no_delta["msg"]["price_dollars"]) == ("no", "0.7000")
    assert (yes_delta["msg"]["side"], yes_delta["msg"]["price_dollars"]) == ("yes", "0.3000")


def test_only_the_member_who_caused_a_delta_sees_its_client_order_id(paper: InProcessPaper) -> None:
    mine, other = paper.socket("trader-1"), paper.socket("trader-2")
    books(mine, LINEAR)
    books(other, LINEAR)

    with paper.client("trader-1") as client:
        create(client, client_order_id="my-own", subaccount=0)

    assert mine.take()[0]["msg"]["client_order_id"] == "my-own"
    assert "client_order_id" not in other.take()[0]["msg"]


def test_snapshot_plus_deltas_equal_the_book(paper: InProcessPaper) -> None:
    socket = paper.socket("reader")
    with paper.client("maker") as maker, paper.client("trader-1") as trader:
        create(maker, side="ask", price="0.6000", count="30.00")
        frames = books(socket, LINEAR)
        order_id = create(maker, side="ask", price="0.6100", count="5.00").json()["order_id"]
        create(trader, price="0.6000", count="12.50")
        create(trader, price="0.5500", count="4.00")
        maker.delete(f"{ORDERS}/{order_id}")
        create(trader, price="0.6000", count="20.00")
        book = trader.get(f"/markets/{LINEAR}/orderbook").json()["orderbook_fp"]

    folded = fold(frames[1:] + socket.take())

    assert folded == {"yes": dict(book["yes_dollars"]), "no": dict(book["no_dollars"])}


def fold(frames: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """The plain way: a snapshot is the book, a delta is added."""
    from decimal import Decimal

    sides: dict[str, dict[str, Decimal]] = {}
    for frame in frames:
        msg = frame["msg"]
        if frame["type"] == "orderbook_snapshot":
            sides = {
                side: {price: Decimal(size) for price, size in msg.get(f"{side}_dollars_fp", [])}
                for side in ("yes", "no")
            }
        else:
            levels = sides[msg["side"]]
            levels[msg["price_dollars"]] = levels.get(msg["price_dollars"], Decimal(0)) + Decimal(msg["delta_fp"])
            if not levels[msg["price_dollars"]]:
                del levels[msg["price_dollars"]]
    return {side: {price: f"{size:.2f}" for price, size in levels.items()} for side, levels in sides.items()}


# --- updating ------------------------------------------------------------------------------------
def test_markets_can_be_added_and_deleted_and_only_new_ones_get_a_snapshot(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    books(socket, LINEAR)

    added = socket.send("update_subscription", sids=[1], action="add_markets", market_tickers=[LINEAR, DECI])
    deleted = socket.send("update_subscription", sid=1, action="delete_markets", market_ticker=LINEAR)
    with paper.client("maker") as maker:
        create(maker, ticker=LINEAR)
        create(maker, ticker=DECI)
    after = socket.take()

    assert added[0] == {"id": 2, "sid": 1, "seq": 1, "type": "ok", "msg": {"market_tickers": [LINEAR, DECI]}}
    assert [(frame["type"], frame["seq"]) for frame in added[1:]] == [("orderbook_snapshot", 2)]
    assert added[1]["msg"]["market_ticker"] == DECI
    assert deleted == [{"id": 3, "sid": 1, "seq": 2, "type": "ok", "msg": {"market_tickers": [DECI]}}]
    assert [(frame["msg"]["market_ticker"], frame["seq"]) for frame in after] == [(DECI, 3)]


def test_get_snapshot_sends_the_book_and_changes_nothing(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    books(socket, LINEAR)

    frames = socket.send("update_subscription", sid=1, action="get_snapshot", market_tickers=[LINEAR])

    assert [(frame["type"], frame["sid"], frame["seq"]) for frame in frames] == [("orderbook_snapshot", 1, 2)]


def test_unsubscribed_ends_the_frames_and_frees_the_channel(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    books(socket, LINEAR)

    ended = socket.send("unsubscribe", sids=[1])
    with paper.client("maker") as maker:
        create(maker)
    silence = socket.take()
    again = books(socket, LINEAR)

    assert ended == [{"id": 2, "sid": 1, "seq": 1, "type": "unsubscribed"}]
    assert silence == []
    assert (again[0]["msg"]["sid"], again[1]["seq"]) == (2, 1)


def test_replies_consume_a_seq_when_control_says_so(paper: InProcessPaper) -> None:
    paper.control("POST", "/ws/options", {"replies_consume_seq": True})
    socket = paper.socket("trader-1")
    books(socket, LINEAR)

    frames = socket.send("update_subscription", sid=1, action="add_markets", market_ticker=DECI)

    assert [frame["seq"] for frame in frames] == [2, 3]


def test_skip_ticker_ack_leaves_the_list_out(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    books(socket, LINEAR, skip_ticker_ack=True)

    frames = socket.send("update_subscription", sid=1, action="delete_markets", market_ticker=LINEAR)

    assert frames == [{"id": 2, "sid": 1, "seq": 1, "type": "ok"}]


def test_the_list_of_an_update_names_markets_as_they_were_named(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["ticker"], market_id=market_uuid(LINEAR))

    by_id = socket.send("update_subscription", sid=1, action="add_markets", market_ids=[market_uuid(LINEAR_2)])
    mixed = socket.send("update_subscription", sids=[1], action="add_markets", market_tickers=[DECI])
    left = socket.send("update_subscription", sid=1, action="delete_markets", market_tickers=[LINEAR, LINEAR_2])

    assert by_id[0]["msg"] == {"market_ids": [market_uuid(LINEAR), market_uuid(LINEAR_2)]}
    assert mixed[0]["msg"] == {
        "market_tickers": [DECI],
        "market_ids": [market_uuid(LINEAR), market_uuid(LINEAR_2)],
    }
    assert left[0]["msg"] == {"market_tickers": [DECI]}


def test_added_tickers_start_with_their_state_only_when_asked(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["ticker"], market_ticker=LINEAR)

    silent = socket.send("update_subscription", sid=1, action="add_markets", market_ticker=DECI)
    told = socket.send(
        "update_subscription", sid=1, action="add_markets", market_tickers=[DECI, LINEAR_2], send_initial_snapshot=True
    )

    assert [frame["type"] for frame in silent] == ["ok"]
    # Only what is new: DECI was there already.
    assert [(frame["type"], frame["msg"].get("market_ticker")) for frame in told] == [
        ("ok", None),
        ("ticker", LINEAR_2),
    ]


def test_one_session_may_have_every_channel_and_each_once(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    channels = list(paper.server.hub.channels)

    first = socket.send("subscribe", channels=channels, market_ticker=LINEAR)
    again = socket.send("subscribe", channels=channels, market_ticker=LINEAR)
    listed = socket.send("list_subscriptions")[0]["msg"]

    assert [f["msg"]["channel"] for f in first if f["type"] == "subscribed"] == channels
    assert [f["msg"]["code"] for f in again] == [6] * len(channels)
    assert [row["sid"] for row in listed] == list(range(1, len(channels) + 1))


# --- other channels --------------------------------------------------------------------------------
def test_a_trade_reaches_every_channel_of_its_two_members_and_of_nobody_else(paper: InProcessPaper) -> None:
    channels = ["ticker", "trade", "fill", "user_orders", "market_positions"]
    sockets = {name: paper.socket(name) for name in ("trader-1", "reader", "trader-2")}
    for socket in sockets.values():
        socket.send("subscribe", channels=channels)
    with paper.client("maker") as maker, paper.client("trader-1") as trader:
        create(maker, side="ask", price="0.5600", count="20.00")
        for socket in sockets.values():
            socket.take()
        answer = create(trader, price="0.5600", count="10.00").json()

    frames = {name: socket.take() for name, socket in sockets.items()}
    kinds = {name: [frame["type"] for frame in rows] for name, rows in frames.items()}

    assert kinds["trader-1"] == ["trade", "fill", "user_order", "market_position", "ticker"]
    # Another key of the same member sees the same; another member only what is public.
    assert kinds["reader"] == kinds["trader-1"]
    assert kinds["trader-2"] == ["trade", "ticker"]
    by_type = {frame["type"]: frame["msg"] for frame in frames["trader-1"]}
    assert by_type["fill"]["order_id"] == answer["order_id"]
    assert by_type["fill"]["post_position_fp"] == "10.00"
    assert by_type["user_order"]["status"] == "executed"
    assert by_type["market_position"]["position_fp"] == "10.00"
    assert by_type["trade"]["taker_book_side"] == "bid"
    assert (by_type["ticker"]["price_dollars"], by_type["ticker"]["volume_fp"]) == ("0.5600", "10.00")


def test_a_ticker_subscription_may_start_with_the_present_state(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker:
        create(maker, price="0.4000")

    frames = paper.socket("trader-1").send(
        "subscribe", channels=["ticker"], market_ids=[market_uuid(LINEAR)], send_initial_snapshot=True
    )

    assert [frame["type"] for frame in frames] == ["subscribed", "ticker"]
    assert (frames[1]["msg"]["yes_bid_dollars"], frames[1]["msg"]["yes_bid_size_fp"]) == ("0.4000", "10.00")


def test_a_filter_limits_private_channels_to_its_markets(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["user_orders"], market_ticker=LINEAR)

    with paper.client("trader-1") as client:
        create(client, ticker=DECI)
        create(client, ticker=LINEAR)

    assert [frame["msg"]["ticker"] for frame in socket.take()] == [LINEAR]


def test_lifecycle_tells_of_every_market_whatever_the_filter(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["market_lifecycle_v2"], market_ticker=LINEAR)

    paper.control("POST", "/market", {"ticker": DECI, "action": "pause"})
    paper.control("POST", "/market", {"ticker": DECI, "action": "resume"})
    paper.control("POST", "/market", {"ticker": DECI, "action": "close_at", "close_ms": paper.clock.now_ms() + 60_000})
    frames = socket.take()

    assert [frame["msg"]["event_type"] for frame in frames] == ["deactivated", "activated", "close_date_updated"]
    assert frames[0]["msg"] == {"event_type": "deactivated", "market_ticker": DECI, "is_deactivated": True}
    assert frames[2]["msg"]["close_ts"] == paper.clock.now_ms() // 1000 + 60
    assert error(socket.send("update_subscription", sid=1, action="add_markets", market_ticker=LINEAR))[0] == 13


def test_a_closed_session_is_forgotten(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    books(socket, LINEAR)
    socket.send("subscribe", channels=["ticker"])
    socket.close()

    with paper.client("maker") as maker:
        create(maker)

    assert socket.take() == []
    assert paper.server.hub.listeners("ticker", LINEAR) == []
