"""Order books by FIX: what is asked, what is read, and the book that it makes."""

from decimal import Decimal

import pytest

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import Message, decode, encode
from apps.fix.engine.dictionary import kalshi
from apps.fix.engine.validate import check_body
from apps.fix.messages.market_data import (
    CANCEL,
    MOST_SYMBOLS,
    SNAPSHOT,
    SUBSCRIBE,
    Books,
    Snapshot,
    changes_read,
    reject_text,
    request_fields,
)

HEADER = [(49, "KalshiMD"), (56, "key"), (34, "2"), (52, "20260601-12:00:00.000")]


def snapshot(*levels: tuple[str, str, str], symbol: str = "BTC-PERP") -> Message:
    fields = [(55, symbol), (268, str(len(levels)))]
    for side, price, size in levels:
        fields += [(269, side), (270, price), (271, size)]
    return decode(encode([(35, "W"), *HEADER, *fields]))


def change(*entries: tuple[str, str, str, str], symbol: str = "BTC-PERP") -> Message:
    fields = [(268, str(len(entries)))]
    for action, side, price, size in entries:
        fields += [(279, action), (55, symbol), (269, side), (270, price), (271, size)]
    return decode(encode([(35, "X"), *HEADER, *fields]))


@pytest.fixture
def books() -> Books:
    made = Books(("BTC-PERP",))
    made.begin()
    return made


@pytest.mark.parametrize("what", [SNAPSHOT, SUBSCRIBE, CANCEL])
def test_requests_are_those_of_the_page(what):
    fields = request_fields(what, ["BTC-PERP", "ETH-PERP"])

    assert fields == [(263, what), (146, "2"), (55, "BTC-PERP"), (55, "ETH-PERP")]
    assert check_body("V", fields, kalshi()) is None


def test_a_cancel_of_all_names_none():
    assert request_fields(CANCEL) == [(263, "2")]
    assert check_body("V", request_fields(CANCEL), kalshi()) is None


@pytest.mark.parametrize(
    ("what", "symbols"),
    [
        ("3", ["A"]),
        (SUBSCRIBE, []),
        (SNAPSHOT, []),
        (SUBSCRIBE, ["A", "A"]),
        (SUBSCRIBE, list(map(str, range(MOST_SYMBOLS + 1)))),
    ],
)
def test_what_is_no_request_is_not_written(what, symbols):
    with pytest.raises(WireFormatError):
        request_fields(what, symbols)


def test_the_pages_examples_make_a_book(books):
    assert books.take(snapshot(("0", "19.5000", "10.00"), ("1", "19.5100", "5.00"))) == []
    book = books.books["BTC-PERP"]
    assert (book.best_bid, book.best_ask, book.is_whole) == (Decimal("19.5"), Decimal("19.51"), True)

    assert books.take(change(("1", "0", "19.5000", "15.00"))) == []
    assert book.bids == {Decimal("19.5"): Decimal(15)}
    assert books.take(change(("2", "0", "19.5000", "0.00"), ("0", "0", "19.4900", "3.00"))) == []
    assert book.bids == {Decimal("19.49"): Decimal(3)}
    assert books.take(change(("2", "0", "19.4900", "9.00"))) == [], "a deleted level is gone whatever size it names"
    assert (book.bids, book.best_bid, book.updates) == ({}, None, 4)


def test_the_same_change_twice_does_no_harm(books):
    books.take(snapshot(("0", "0.3000", "10.00")))
    for _ in range(2):
        books.take(change(("1", "0", "0.3000", "15.00"), ("2", "1", "0.9000", "0.00")))

    assert books.books["BTC-PERP"].bids == {Decimal("0.3"): Decimal(15)}


def test_a_change_before_its_snapshot_asks_for_one(books):
    assert books.take(change(("1", "0", "0.3000", "15.00"))) == ["BTC-PERP"]
    assert not books.books["BTC-PERP"].is_whole
    assert books.take(snapshot()) == []
    assert books.books["BTC-PERP"].bids == {}


def test_a_crossed_book_asks_for_a_new_snapshot(books):
    books.take(snapshot(("0", "0.3000", "10.00"), ("1", "0.4000", "5.00")))

    assert books.take(change(("1", "0", "0.4000", "1.00"))) == ["BTC-PERP"]
    assert books.take(change(("2", "1", "0.4000", "0.00"))) == ["BTC-PERP"], "until a snapshot says how it is"
    assert books.take(snapshot(("0", "0.4000", "1.00"))) == []


def test_a_new_logon_knows_nothing(books):
    books.take(snapshot(("0", "0.3000", "10.00")))

    assert books.begin() == [(263, "1"), (146, "1"), (55, "BTC-PERP")]
    assert not books.books["BTC-PERP"].is_whole
    assert Books().begin() is None


def test_a_symbol_that_nobody_asked_for_is_not_asked_for(books):
    assert books.take(change(("1", "0", "0.3000", "15.00"), symbol="OTHER")) == []


@pytest.mark.parametrize(
    "levels",
    [
        [("0", "0.3000", "1.00"), ("0", "0.3", "2.00")],
        [("0", "0.3000", "0.00")],
        [("0", "-0.3000", "1.00")],
        [("0", "0", "1.00")],
        [("1", "0.3000", "-1.00")],
    ],
)
def test_a_snapshot_that_is_no_book_is_not_taken(levels):
    with pytest.raises(WireFormatError):
        Snapshot.read(snapshot(*levels))


def test_a_change_of_another_type_is_not_read():
    with pytest.raises(WireFormatError):
        changes_read(snapshot())


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            [(281, "2"), (58, "more than 100 symbols")],
            "the request or the session has too many symbols: more than 100 symbols",
        ),
        ([(281, "4")], "this kind of request is not supported"),
        ([(281, "9"), (58, "other")], "reason 9: other"),
        ([], "reason not told"),
    ],
)
def test_a_reject_in_words(fields, text):
    assert reject_text(decode(encode([(35, "Y"), *HEADER, *fields]))) == text
