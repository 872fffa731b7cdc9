"""What is sent is what was shown: an order that brings its preview's word is refused when the preview would differ."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.ports import commands
from apps.core.timestamps import utc_now
from apps.markets.models import Market, Series
from apps.orders.models import ChangeIntent, Order, OrderIntent
from apps.orders.services import change_send, intent_send
from apps.portfolio.models import Balance, Position
from tests.orders.conftest import TICKER, Place
from tests.orders.scripted import ScriptedExchange

TENTHS = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]


def params(**over: Any) -> dict[str, Any]:
    ticket = {"ticker": TICKER, "side": "buy_yes", "price": "0.5600", "count": "10.00"}
    return {"idempotency_key": str(uuid.uuid4()), **ticket, **over}


@pytest.fixture
def actor(place: Place) -> Actor:
    Balance.objects.create(
        account=place.account, subaccount=0, cash=Decimal(1_000), portfolio_value=Decimal(0), seen_at=utc_now()
    )
    return replace(place.trader, account_id=place.account.pk)


def ask(actor: Actor, name: str, **values: Any) -> dict[str, Any]:
    return commands[name].handler(actor, values)


def hold(place: Place, contracts: int) -> None:
    now = utc_now()
    Position.objects.create(
        account=place.account, subaccount=0, ticker=TICKER, position=Decimal(contracts), seen_at=now, source="rest"
    )


Change = Callable[[Place], object]
CHANGES: dict[str, Change] = {
    "grid": lambda place: Market.objects.update(price_ranges=TENTHS),
    "fees": lambda place: Series.objects.update(fee_multiplier="2"),
    "close": lambda place: Market.objects.update(close_time=utc_now() + timedelta(hours=2)),
    "position": lambda place: hold(place, -4),
}


@pytest.mark.parametrize("part", CHANGES)
def test_an_order_is_refused_in_words_when_its_preview_would_differ(
    place: Place, actor: Actor, exchange: ScriptedExchange, part: str
) -> None:
    """RELIABILITY A21 and UI: the same click, sent a moment later, would mean something else."""
    shown = ask(actor, "order.preview", **params())["shown"]
    CHANGES[part](place)

    with pytest.raises(DeskError) as refused:
        ask(actor, "order.place", **params(shown=shown))

    assert refused.value.code == "preview_stale"
    assert list(refused.value.fields) == [part]
    assert not OrderIntent.objects.exists()


@pytest.mark.parametrize("part", CHANGES)
def test_the_sender_compares_again(place: Place, actor: Actor, exchange: ScriptedExchange, part: str) -> None:
    shown = ask(actor, "order.preview", **params())["shown"]
    ask(actor, "order.place", **params(shown=shown))
    CHANGES[part](place)

    intent_send(OrderIntent.objects.get().pk)

    intent = OrderIntent.objects.get()
    assert (intent.state, intent.error_code) == (OrderIntent.State.REFUSED, "preview_stale")
    assert exchange.requests == []


def test_an_order_that_is_as_shown_passes_with_the_fee_that_was_shown(
    place: Place, actor: Actor, exchange: ScriptedExchange
) -> None:
    told = ask(actor, "order.preview", **params())
    row = ask(actor, "order.place", **params(shown=told["shown"]))["intent"]
    intent_send(OrderIntent.objects.get().pk)

    assert (row["fee_shown"], row["fee_shown_worst"]) == (told["fee"], told["fee_worst"])
    assert OrderIntent.objects.get().state == OrderIntent.State.ACKED


def test_an_order_without_a_word_is_not_compared(place: Place, actor: Actor, exchange: ScriptedExchange) -> None:
    ask(actor, "order.place", **params())

    assert OrderIntent.objects.get().shown == ""


def test_a_word_that_no_preview_gave_is_refused(place: Place, actor: Actor) -> None:
    with pytest.raises(DeskError) as refused:
        ask(actor, "order.place", **params(shown=["x"]))

    assert refused.value.fields == {"shown": "Not from a preview: look at the ticket again."}


def test_a_line_of_a_batch_may_bring_its_word(place: Place, actor: Actor) -> None:
    shown = ask(actor, "order.preview", **params())["shown"]
    CHANGES["grid"](place)
    items = [params(), params(shown=shown)]

    told = ask(actor, "order.batch_preview", items=items)

    assert [line["error"] and line["error"]["code"] for line in told["lines"]] == [None, "preview_stale"]


def test_a_dry_run_gives_each_line_its_word_and_a_batch_says_which_line_is_stale(
    place: Place, actor: Actor, exchange: ScriptedExchange
) -> None:
    keys = [str(uuid.uuid4()) for _ in range(3)]
    lines = ask(actor, "order.batch_preview", items=[params() for _ in keys])["lines"]
    items = [params(idempotency_key=key, shown=line["shown"]) for key, line in zip(keys, lines, strict=True)]
    CHANGES["grid"](place)
    fresh = ask(actor, "order.batch_preview", items=[params()])["lines"][0]["shown"]
    items[1]["shown"] = fresh

    with pytest.raises(DeskError) as refused:
        ask(actor, "order.batch", batch_key=str(uuid.uuid4()), items=items)

    assert refused.value.code == "batch_refused"
    assert set(refused.value.fields) == {"1", "3"}
    assert "its price steps changed" in refused.value.fields["1"]
    assert not OrderIntent.objects.exists()
    sent = [{**item, "shown": fresh} for item in items]
    told = ask(actor, "order.batch", batch_key=str(uuid.uuid4()), items=sent)
    assert len(told["intents"]) == 3


@pytest.mark.parametrize("is_late", [False, True], ids=["when submitted", "when sent"])
def test_an_amend_may_bring_its_word(place: Place, actor: Actor, exchange: ScriptedExchange, is_late: bool) -> None:
    ask(actor, "order.place", **params())
    intent_send(OrderIntent.objects.get().pk)
    order = Order.objects.get()
    shown = ask(actor, "order.preview", **params(price="0.5700"))["shown"]
    seen = {"price": "0.5600", "count": "10.00", "filled": "0.00"}
    wish = {"order_id": order.order_id, "price": "0.5700", "count": "10.00", "seen": seen, "shown": shown}
    if not is_late:
        CHANGES["grid"](place)
        with pytest.raises(DeskError, match="price steps"):
            ask(actor, "order.amend", idempotency_key=str(uuid.uuid4()), **wish)
        return

    ask(actor, "order.amend", idempotency_key=str(uuid.uuid4()), **wish)
    CHANGES["grid"](place)
    change_send(ChangeIntent.objects.get().pk)

    change = ChangeIntent.objects.get()
    assert (change.state, change.error_code) == (ChangeIntent.State.REFUSED, "preview_stale")
    assert len(exchange.sent("POST")) == 1


def test_a_preview_says_what_its_fee_is_made_of_and_what_it_costs_in_tokens(place: Place, actor: Actor) -> None:
    until = utc_now() + timedelta(days=1)
    Series.objects.update(fee_type="quadratic_with_maker_fees")
    # 0.07 x 10 x 0.56 x 0.44 = 0.17248: up to a centicent, then the balance down to a cent.
    told = ask(actor, "order.preview", **params())

    assert (told["fee_trade"], told["fee_rounding"], told["fee"]) == ("0.1725", "0.0075", "0.1800")
    assert Decimal(told["fee_maker"]) < Decimal(told["fee"])
    assert Decimal(told["fee_maker"]) <= Decimal(told["fee_maker_worst"])
    # Contract by contract: 0.0173 each, 0.02 off the balance each, of which the order gets back all but a cent.
    assert (told["rebate"], told["fee_worst"]) == ("0.0200", "0.1800")
    assert told["fee_free_until"] is None
    assert told["tokens"]["cost"] == 10
    assert 0 < told["tokens"]["left"] <= told["tokens"]["capacity"]

    Market.objects.update(fee_waiver_expiration_time=until)
    free = ask(actor, "order.preview", **params())
    assert (free["fee"], free["fee_free_until"][:16]) == ("0.0000", until.isoformat()[:16])
