"""From a ticket to one committed intent."""

import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core import ports
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.ports import Holding
from apps.core.timestamps import utc_now
from apps.exchange.models import ExchangeStatus
from apps.markets.models import Market
from apps.orders.models import OrderIntent
from apps.orders.services import intent_submit
from apps.orders.tickets import ticket_from_params
from apps.vault.models import ApiKey
from tests.orders.conftest import TICKER, Place, Published, make_market, make_ticket
from tests.support.people import make_account, make_desk

Queued = list[tuple[str, int]]


def test_a_ticket_becomes_one_committed_intent_with_its_audit_row_and_one_message(
    place: Place, queued: Queued, published: Published
) -> None:
    intent = intent_submit(place.trader, make_ticket(place))

    assert intent.state == OrderIntent.State.COMMITTED
    assert (intent.book_side, intent.price, intent.count) == ("bid", Decimal("0.56"), Decimal("10"))
    assert queued == [("order_send", intent.pk)]
    assert AuditEntry.objects.filter(action="orders.intent.committed", target=f"order_intent:{intent.pk}").count() == 1
    assert published.states() == ["committed"]


@pytest.mark.parametrize(
    ("side", "price", "book_side", "yes_price"),
    [
        ("buy_yes", "0.56", "bid", "0.56"),
        ("sell_yes", "0.56", "ask", "0.56"),
        ("buy_no", "0.30", "ask", "0.70"),
        ("sell_no", "0.30", "bid", "0.70"),
    ],
)
def test_a_side_is_sent_on_the_yes_leg(
    place: Place, queued: Queued, published: Published, side: str, price: str, book_side: str, yes_price: str
) -> None:
    intent = intent_submit(place.trader, make_ticket(place, side=side, price=Decimal(price)))

    assert (intent.book_side, intent.price, intent.entered_as) == (book_side, Decimal(yes_price), side)


def test_a_double_submit_is_one_intent_and_one_message(place: Place, queued: Queued, published: Published) -> None:
    ticket = make_ticket(place)

    first, second = intent_submit(place.trader, ticket), intent_submit(place.trader, ticket)

    assert first.pk == second.pk
    assert OrderIntent.objects.count() == 1
    assert len(queued) == 1


def test_a_repeat_after_the_market_closed_still_answers_with_the_first_intent(
    place: Place, queued: Queued, published: Published
) -> None:
    ticket = make_ticket(place)
    first = intent_submit(place.trader, ticket)
    Market.objects.update(status="closed")

    assert intent_submit(place.trader, ticket).pk == first.pk


def test_the_same_key_with_another_price_is_refused(place: Place, queued: Queued, published: Published) -> None:
    key = uuid.uuid4()
    intent_submit(place.trader, make_ticket(place, idempotency_key=key))

    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place, idempotency_key=key, price=Decimal("0.57")))

    assert refused.value.code == "idempotency_mismatch"
    assert OrderIntent.objects.count() == 1


def test_a_viewer_is_refused_in_the_service(place: Place, queued: Queued, published: Published) -> None:
    """RELIABILITY H3, service layer."""
    with pytest.raises(NotAllowed):
        intent_submit(place.viewer, make_ticket(place))

    assert not OrderIntent.objects.exists()
    assert queued == []


def test_another_desks_account_does_not_exist(place: Place, queued: Queued, published: Published) -> None:
    foreign = make_account(make_desk())

    with pytest.raises(NotFound):
        intent_submit(place.trader, make_ticket(place, account_id=foreign.pk))

    assert not OrderIntent.objects.exists()


@pytest.mark.parametrize(
    ("over", "code", "field", "words"),
    [
        ({"price": Decimal("0.565")}, "off_grid", "price", "Nearest: 56¢ or 57¢"),
        ({"price": Decimal("0.435"), "side": "buy_no"}, "off_grid", "price", "Nearest: 43¢ or 44¢"),
        ({"price": Decimal("0")}, "price_out_of_range", "price", "above 0¢"),
        ({"price": Decimal("1")}, "price_out_of_range", "price", "below 100¢"),
        ({"count": Decimal("0")}, "count_too_small", "count", "at least one"),
        ({"count": Decimal("-5")}, "count_too_small", "count", "at least one"),
        ({"count": Decimal("1.5")}, "count_not_whole", "count", "whole contracts"),
        ({"count": Decimal("1000001")}, "count_too_large", "count", "1,000,000"),
        ({"time_in_force": "immediate_or_cancel", "is_post_only": True}, "post_only_taker", "post_only", "rest"),
        ({"time_in_force": "fill_or_kill", "is_post_only": True}, "post_only_taker", "post_only", "rest"),
    ],
)
def test_a_wrong_ticket_is_refused_in_words(
    place: Place, queued: Queued, published: Published, over: dict[str, Any], code: str, field: str, words: str
) -> None:
    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place, **over))

    assert refused.value.code == code
    assert words in refused.value.fields[field]
    assert not OrderIntent.objects.exists()
    assert queued == []


@pytest.mark.parametrize(
    ("time_in_force", "ahead", "code"),
    [
        ("immediate_or_cancel", 60, "ioc_with_expiry"),
        ("fill_or_kill", 60, "fok_with_expiry"),
        ("good_till_canceled", -1, "expired"),
    ],
)
def test_an_impossible_expiry_is_refused(
    place: Place, queued: Queued, published: Published, time_in_force: str, ahead: int, code: str
) -> None:
    expires = utc_now() + timedelta(seconds=ahead)

    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place, time_in_force=time_in_force, expires_at=expires))

    assert refused.value.code == code


@pytest.mark.parametrize(
    "columns",
    [{"status": "closed"}, {"status": "inactive"}, {"status": "finalized"}, {"close_time": utc_now() - timedelta(1)}],
)
def test_a_market_that_is_not_open_takes_no_order(
    place: Place, queued: Queued, published: Published, columns: dict[str, Any]
) -> None:
    Market.objects.update(**columns)

    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place))

    assert refused.value.code == "market_closed"


def test_an_unknown_market_is_refused(place: Place, queued: Queued, published: Published) -> None:
    with pytest.raises(NotFound):
        intent_submit(place.trader, make_ticket(place, ticker="KXNOSUCH"))


@pytest.mark.parametrize(("age", "is_refused"), [(5, True), (600, False)])
def test_a_known_pause_refuses_and_an_old_status_does_not(
    place: Place, queued: Queued, published: Published, age: int, is_refused: bool
) -> None:
    checked = utc_now() - timedelta(seconds=age)
    ExchangeStatus.objects.create(environment="paper", exchange_active=True, trading_active=False, checked_at=checked)

    if is_refused:
        with pytest.raises(DeskError) as refused:
            intent_submit(place.trader, make_ticket(place))
        assert refused.value.code == "exchange_paused"
    else:
        assert intent_submit(place.trader, make_ticket(place)).state == OrderIntent.State.COMMITTED


@pytest.mark.parametrize("status", [ApiKey.Status.REVOKED, ApiKey.Status.INVALID])
def test_an_account_without_a_working_key_takes_no_order(
    place: Place, queued: Queued, published: Published, status: str
) -> None:
    ApiKey.objects.update(status=status)

    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place))

    assert refused.value.code == "no_key"


@pytest.mark.parametrize(
    ("cash", "position", "side", "is_refused"),
    [
        ("5.60", "0", "buy_yes", True),  # the contracts fit, the fee of 18 cents does not
        ("5.78", "0", "buy_yes", False),
        (None, None, "buy_yes", False),  # the balance is not known: the exchange decides
        ("0.20", "10", "sell_yes", False),  # sells what it holds: only the fee is needed
        ("0.20", "-10", "buy_yes", False),  # closes NO
        ("0.20", "9", "sell_yes", True),  # the tenth contract opens NO at 44 cents
    ],
)
def test_funds_are_checked_where_the_balance_is_known(
    place: Place,
    queued: Queued,
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
    cash: str | None,
    position: str | None,
    side: str,
    is_refused: bool,
) -> None:
    holding = Holding(Decimal(cash) if cash else None, Decimal(position) if position else None)
    monkeypatch.setattr(ports, "holdings", [lambda *_: holding])

    if is_refused:
        with pytest.raises(DeskError) as refused:
            intent_submit(place.trader, make_ticket(place, side=side))
        assert refused.value.code == "insufficient_funds"
    else:
        assert intent_submit(place.trader, make_ticket(place, side=side)).pk


def test_nothing_is_queued_when_the_intent_cannot_be_committed(
    place: Place, queued: Queued, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the audit trail cannot be written")

    monkeypatch.setattr("apps.orders.services.submit.audit.record", fail)

    with pytest.raises(RuntimeError):
        intent_submit(place.trader, make_ticket(place))

    assert not OrderIntent.objects.exists()


def test_a_finer_grid_takes_finer_prices(place: Place, queued: Queued, published: Published) -> None:
    ranges = [
        {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
        {"start": "0.1000", "end": "1.0000", "step": "0.0100"},
    ]
    make_market(ticker="KXDECI", price_ranges=ranges)

    assert intent_submit(place.trader, make_ticket(place, ticker="KXDECI", price=Decimal("0.035"))).pk
    with pytest.raises(DeskError):
        intent_submit(place.trader, make_ticket(place, ticker="KXDECI", price=Decimal("0.235")))


def test_every_unreadable_field_is_told_at_once(place: Place) -> None:
    params = {"idempotency_key": "nope", "ticker": TICKER, "side": "hold", "price": 0.56, "count": "ten"}

    with pytest.raises(DeskError) as refused:
        ticket_from_params(place.trader, params)

    assert set(refused.value.fields) == {"idempotency_key", "side", "price", "count"}


def test_a_ticket_of_another_account_than_the_selected_one_is_refused(place: Place) -> None:
    params = {"account_id": place.account.pk + 1}

    with pytest.raises(DeskError) as refused:
        ticket_from_params(place.trader, params)

    assert refused.value.code == "account_changed"


def test_a_repeat_by_someone_who_may_no_longer_trade_is_refused(
    place: Place, queued: Queued, published: Published
) -> None:
    ticket = make_ticket(place)
    intent_submit(place.trader, ticket)

    with pytest.raises(NotAllowed):
        intent_submit(replace(place.trader, roles=frozenset({"viewer"})), ticket)
