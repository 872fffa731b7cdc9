"""The price band without a live book: the last known prices, by a stated rule."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from apps.core.errors import DeskError
from apps.markets.models import Market
from apps.orders.services import intent_submit, quotes
from apps.orders.services.quotes import Quotes, quotes_of
from tests.orders.conftest import TICKER, Place, make_ticket

BOOK = {"state": "live", "yes": [["0.4000", "5.00"]], "no": [["0.5500", "5.00"]]}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Redis holds: heartbeat, book frame, ticker row."""
    held: list[Any] = [None, None, None]

    class Asked:
        def __init__(self, client: Any, commands: Any) -> None:
            return

        def read(self) -> list[Any]:
            return held

        def drop(self) -> None:
            return

    monkeypatch.setattr(quotes, "Pending", Asked)
    return held


def frame(**over: Any) -> bytes:
    return msgspec.json.encode([1, {**BOOK, **over}])


def test_a_live_book_is_what_counts(place: Place, published: list[Any]) -> None:
    Market.objects.update(yes_bid=Decimal("0.10"), yes_ask=Decimal("0.20"))
    published[:] = [b"1", frame(), None]

    assert quotes_of("paper", TICKER) == Quotes(Decimal("0.40"), Decimal("0.45"))


def test_without_a_gateway_the_last_book_counts(place: Place, published: list[Any]) -> None:
    published[:] = [None, frame(state="stale"), None]

    assert quotes_of("paper", TICKER) == Quotes(Decimal("0.40"), Decimal("0.45"), is_live=False)


@pytest.mark.parametrize("book", [None, frame(yes=[], no=[])], ids=["no book", "an empty book"])
@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"yes_bid": "0.10", "yes_ask": "0.20", "last_price": "0.90"}, ("0.10", "0.20")),
        ({"yes_bid": "0.00", "yes_ask": "1.00", "last_price": "0.30"}, ("0.30", "0.30")),
    ],
    ids=["best prices", "last trade"],
)
def test_else_the_catalogue_counts(
    place: Place, published: list[Any], book: bytes | None, known: dict[str, str], expected: tuple[str, str]
) -> None:
    Market.objects.update(**{name: Decimal(price) for name, price in known.items()})
    published[:] = [b"1", book, None]

    bid, ask = (Decimal(price) for price in expected)
    assert quotes_of("paper", TICKER) == Quotes(bid, ask, is_live=False)


def test_a_market_that_nobody_quoted_has_no_band(place: Place, published: list[Any]) -> None:
    assert quotes_of("paper", TICKER) is None
    intent_submit(place.trader, make_ticket(place, price=Decimal("0.99")))


def test_a_slipped_key_meets_the_band_while_the_feed_is_down(place: Place, published: list[Any]) -> None:
    Market.objects.update(yes_bid=Decimal("0.10"), yes_ask=Decimal("0.12"))

    with pytest.raises(DeskError, match="last known prices") as refused:
        intent_submit(place.trader, make_ticket(place, price=Decimal("0.56")))

    assert refused.value.code == "limit_price_band"
