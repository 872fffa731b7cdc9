from types import SimpleNamespace

from apps.core.book import OrderBook
from apps.markets.board import TAPE_LENGTH, MarketBoard, Meta


def board_with(*tickers):
    board = MarketBoard("paper")
    for ticker in tickers:
        board.want(ticker)
    board.take(0.0)
    return board


def book_of(ticker, yes=((4200, 1300),), no=((5000, 250),)):
    book = OrderBook(ticker)
    book.apply_snapshot(yes, no)
    return book


def trade(number, ts_ms):
    return {"id": f"t{number}", "price": "0.4200", "count": "1.00", "side": "yes", "ts_ms": ts_ms}


def ticker_message(ticker, **over):
    values = {
        "market_ticker": ticker,
        "price_dollars": "0.480",
        "yes_bid_dollars": "0.450",
        "yes_ask_dollars": "0.530",
        "yes_bid_size_fp": "300.00",
        "yes_ask_size_fp": "150.00",
        "volume_fp": "33896.00",
        "open_interest_fp": "20422.00",
        "ts_ms": 1,
    }
    return SimpleNamespace(**(values | over))


def test_a_market_that_is_newly_wanted_says_that_its_book_is_not_there_yet():
    board = MarketBoard("paper")

    board.want("M")

    frame = board.take(0.0).whole["book:paper:M"]
    assert (frame["state"], frame["yes"], frame["no"]) == ("stale", [], [])
    assert "snapshot" in frame["why"]


def test_a_book_frame_holds_both_sides_in_their_own_prices_best_last():
    board = board_with("M")

    board.book_changed("M", book_of("M", yes=((100, 500), (4200, 1300))), ts_ms=5, recv_ms=7)

    assert board.take(1.0).whole == {
        "book:paper:M": {
            "ticker": "M",
            "yes": [["0.0100", "5.00"], ["0.4200", "13.00"]],
            "no": [["0.5000", "2.50"]],
            "ts_ms": 5,
            "recv_ms": 7,
            "state": "live",
            "why": "",
        }
    }


def test_a_book_that_changes_faster_than_the_pace_is_rendered_once_with_its_last_state():
    board = board_with("M")
    book = book_of("M")
    board.book_changed("M", book, ts_ms=1, recv_ms=1)
    board.take(1.0)

    for number in range(50):
        book.apply_delta("yes", 4200, 100)
        board.book_changed("M", book, ts_ms=2 + number, recv_ms=2 + number)

    assert not board.take(1.001)
    frames = board.take(board.next_at(1.001))
    assert frames.whole["book:paper:M"]["yes"] == [["0.4200", "63.00"]]
    assert frames.whole["book:paper:M"]["recv_ms"] == 51


def test_a_stale_book_keeps_its_levels_says_why_and_is_live_again_with_the_next_snapshot():
    board = board_with("M", "N")
    for ticker in ("M", "N"):
        board.book_changed(ticker, book_of(ticker), ts_ms=1, recv_ms=1)
    board.take(1.0)

    board.books_not_live("stale", why="frames are missing", tickers=["M"])

    frames = board.take(2.0).whole
    assert list(frames) == ["book:paper:M"]
    assert frames["book:paper:M"]["state"] == "stale"
    assert frames["book:paper:M"]["why"] == "frames are missing"
    assert frames["book:paper:M"]["yes"] == [["0.4200", "13.00"]]
    board.book_changed("M", book_of("M"), ts_ms=2, recv_ms=2)
    assert board.take(3.0).whole["book:paper:M"]["state"] == "live"


def test_everything_that_is_down_is_said_once():
    board = board_with("M")

    board.books_not_live("down", why="no connection")
    board.take(1.0)
    board.books_not_live("down", why="no connection")

    assert not board.take(2.0)


def test_a_released_market_is_forgotten_with_its_topics():
    board = board_with("M")
    board.book_changed("M", book_of("M"), ts_ms=1, recv_ms=1)

    assert board.release("M") == ["book:paper:M", "tape:paper:M"]

    assert not board.take(1.0)
    assert board.tickers == set()


def test_the_tape_holds_each_trade_once_newest_first_and_a_hundred_at_most():
    board = board_with("M")

    board.trades_seen("M", [trade(number, number) for number in range(80)])
    board.trades_seen("M", [trade(number, number) for number in range(60, 130)])

    shown = board.take(1.0).whole["tape:paper:M"]["trades"]
    assert [row["id"] for row in shown] == [f"t{number}" for number in range(129, 29, -1)]
    assert len(shown) == TAPE_LENGTH
    board.trades_seen("M", [trade(129, 129)])
    assert not board.take(2.0)


def test_ticker_rows_join_the_feed_with_what_the_catalogue_knows():
    board = MarketBoard("paper")
    board.meta_changed({"M": Meta("active", 1_700_000_000_000)})

    board.ticker_changed(ticker_message("M"))

    assert board.take(1.0).rows == {
        "M": {
            "bid": "0.4500",
            "ask": "0.5300",
            "bid_size": "300.00",
            "ask_size": "150.00",
            "last": "0.4800",
            "volume": "33896.00",
            "open_interest": "20422.00",
            "status": "active",
            "close_ms": 1_700_000_000_000,
        }
    }


def test_sides_that_nobody_quotes_are_empty_not_zero_and_one_dollar():
    board = MarketBoard("paper")

    board.ticker_changed(ticker_message("M", yes_bid_dollars="0.00", yes_ask_dollars="1.0000", price_dollars="0"))

    row = board.take(1.0).rows["M"]
    assert (row["bid"], row["ask"], row["last"]) == (None, None, None)


def test_rows_of_many_markets_go_out_four_times_a_second_with_their_last_values():
    board = MarketBoard("paper")
    board.ticker_changed(ticker_message("M"))
    board.take(1.0)

    board.ticker_changed(ticker_message("M", price_dollars="0.49"))
    board.ticker_changed(ticker_message("N"))
    board.ticker_changed(ticker_message("M", price_dollars="0.50"))

    assert not board.take(1.2)
    rows = board.take(1.25).rows
    assert set(rows) == {"M", "N"}
    assert rows["M"]["last"] == "0.5000"


def test_a_new_status_of_a_market_changes_its_row():
    board = MarketBoard("paper")
    board.meta_changed({"M": Meta("active", None)})
    board.ticker_changed(ticker_message("M"))
    board.take(1.0)

    board.meta_changed({"M": Meta("inactive", None)})

    assert board.take(2.0).rows["M"]["status"] == "inactive"


def test_frames_that_redis_did_not_take_come_again_with_the_newest_state():
    board = board_with("M")
    board.book_changed("M", book_of("M"), ts_ms=1, recv_ms=1)
    board.ticker_changed(ticker_message("M"))
    lost = board.take(1.0)

    board.failed(lost)
    board.book_changed("M", book_of("M", yes=()), ts_ms=2, recv_ms=2)

    again = board.take(2.0)
    assert again.whole["book:paper:M"]["yes"] == []
    assert set(again.rows) == {"M"}


def test_after_an_outage_everything_that_is_kept_goes_out_again():
    board = board_with("M")
    board.book_changed("M", book_of("M"), ts_ms=1, recv_ms=1)
    board.trades_seen("M", [trade(1, 1)])
    board.ticker_changed(ticker_message("M"))
    board.take(1.0)

    board.everything_again()

    again = board.take(2.0)
    assert set(again.whole) == {"book:paper:M", "tape:paper:M"}
    assert set(again.rows) == {"M"}
