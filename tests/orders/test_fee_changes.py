"""Dated changes of fees: what the desk previews and predicts around the moment is what the paper exchange charges."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.core.errors import DeskError
from apps.core.money import format_dollars
from apps.core.ports import commands
from apps.core.timestamps import format_rfc3339, from_unix_ms, to_unix_ms, utc_now
from apps.exchange.models import ExchangeSchedule
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError
from apps.markets import services
from apps.markets.models import Event, Market, Series, SeriesFeeChange
from apps.orders.costs import cost_estimate
from apps.orders.models import Order
from apps.orders.services import orders_reconcile
from apps.orders.services.fee_check import fees_predict
from apps.paper.engine.fees import FeeSchedule as PaperSchedule
from apps.paper.testing import LINEAR, SERIES, InProcessPaper
from tests.orders.conftest import TICKER, Place, Published, make_market, make_ticket
from tests.orders.test_paper import Queued, others_order, place_order, use_key
from tests.support.catalogue import CatalogueExchange
from tests.support.paper import paper

__all__ = ["paper"]

MAKER = "quadratic_with_maker_fees"


@pytest.fixture
def dated(
    paper: InProcessPaper, place: Place, monkeypatch: pytest.MonkeyPatch, published: Published, queued: Queued
) -> datetime:
    """The paper exchange halves its fee and takes one of makers, ten seconds from now; the desk has read of it."""
    monkeypatch.setattr("apps.portfolio.queue.refresh_soon", lambda account_id: None)
    monkeypatch.setattr(services.fee_changes, "utc_now", lambda: from_unix_ms(paper.clock.now_ms()))
    at_ms = (paper.clock.now_ms() // 1000 + 10) * 1000
    paper.exchange.series[SERIES].fee_changes = [PaperSchedule(MAKER, Decimal("0.5"), from_ms=at_ms)]
    services.catalogue_sync("paper", client=_reader(paper))
    make_market(ticker="KXOTHER")
    use_key(paper, monkeypatch, "trader-1", ("read", "write"))
    assert services.fee_changes_sync("paper", client=_reader(paper)) == 1
    return from_unix_ms(at_ms)


def _reader(paper: InProcessPaper) -> ExchangeClient:
    return ExchangeClient([paper.base_url], None, None, paper.transport, now_ms=paper.clock.now_ms)


def _market() -> Market:
    return Market.objects.select_related("event").get(ticker=LINEAR)


@pytest.mark.parametrize("offset_ms", [-1_000, -1, 0, 1, 1_000])
def test_around_the_moment_the_preview_is_what_the_exchange_charges(
    paper: InProcessPaper, place: Place, dated: datetime, offset_ms: int
) -> None:
    paper.clock.step(to_unix_ms(dated) + offset_ms - paper.clock.now_ms())
    others_order(paper, count="10.00")
    ticket = make_ticket(place, ticker=LINEAR)
    estimate = cost_estimate(_market(), ticket, position=Decimal(0), now=from_unix_ms(paper.clock.now_ms()))

    place_order(place)
    orders_reconcile(place.account.pk)

    order = Order.objects.get()
    charged = sum(fill.fee for fill in order.fills.all())
    assert charged == estimate.fee_one_fill == (Decimal("0.18") if offset_ms < 0 else Decimal("0.09"))
    assert order.fees_predicted == charged


def test_an_order_that_rests_past_the_moment_is_charged_by_the_fee_of_each_fill(
    paper: InProcessPaper, place: Place, dated: datetime
) -> None:
    paper.clock.step(to_unix_ms(dated) - 1 - paper.clock.now_ms())
    before = from_unix_ms(paper.clock.now_ms())
    estimate = cost_estimate(_market(), make_ticket(place, ticker=LINEAR), position=Decimal(0), now=before)
    assert estimate.fees is not None
    ahead = estimate.fees.ahead
    assert ahead is not None
    assert ahead.at == dated
    assert ahead.schedule is not None
    told = estimate.fees.as_maker_by(ahead.schedule)[0]
    place_order(place)
    paper.clock.step(1)
    others_order(paper, count="10.00")

    orders_reconcile(place.account.pk)

    order = Order.objects.get()
    assert [fill.fee for fill in order.fills.all()] == [told]
    assert order.fees_predicted == told > 0
    # Years later, when the series has long another fee, the fill is still held against its own.
    Series.objects.filter(ticker=SERIES).update(fee_multiplier="9", updated_at=dated + timedelta(days=900))
    assert not fees_predict(order)


def test_the_ticket_says_what_changes_and_what_an_order_that_rests_would_pay_then(
    paper: InProcessPaper, place: Place, dated: datetime
) -> None:
    # By the machine's own clock, which the preview asks.
    at = utc_now().replace(microsecond=0) + timedelta(days=3)
    SeriesFeeChange.objects.update(scheduled_at=at)
    actor = replace(place.trader, account_id=place.account.pk)

    def ask(**over: Any) -> Any:
        values = {"ticker": LINEAR, "side": "buy_yes", "price": "0.5600", "count": "10.00", **over}
        return commands["order.preview"].handler(actor, values)["fee_change"]

    # 0.0175 / 2 x 10 x 0.56 x 0.44 = 0.02156: up to a centicent, then the balance down to a cent.
    then = {"fee_maker": format_dollars(Decimal("0.03")), "fee_maker_worst": format_dollars(Decimal("0.03"))}
    rates = {"taker_before": "0.07", "maker_before": "0", "taker": "0.035", "maker": "0.00875"}
    never = dict.fromkeys(then)
    assert ask() == {"at": format_rfc3339(at), **rates, **then}
    for short in (
        {"time_in_force": "immediate_or_cancel"},
        {"time_in_force": "fill_or_kill"},
        {"expires_at": format_rfc3339(at)},
    ):
        assert ask(**short) == {"at": format_rfc3339(at), **rates, **never}

    SeriesFeeChange.objects.update(fee_type="flat")
    assert (ask()["taker"], ask()["fee_maker"]) == (None, None)
    SeriesFeeChange.objects.update(fee_type=MAKER)
    Market.objects.filter(ticker=LINEAR).update(fee_waiver_expiration_time=at + timedelta(days=1))
    assert ask() is None  # free before and after
    Market.objects.filter(ticker=LINEAR).update(fee_waiver_expiration_time=None, close_time=at)
    assert ask() is None  # closed by then
    Market.objects.filter(ticker=LINEAR).update(close_time=None)
    Event.objects.update(fee_type_override="quadratic", fee_multiplier_override="1")
    assert ask() is None  # the event's own fees win
    Event.objects.update(fee_type_override=None, fee_multiplier_override=None)
    assert ask()["taker"] == "0.035"


def test_the_ticket_of_an_order_that_may_rest_into_maintenance_says_so(place: Place) -> None:
    now = utc_now()
    window = {
        "start_datetime": format_rfc3339(now + timedelta(hours=5)),
        "end_datetime": format_rfc3339(now + timedelta(hours=7)),
    }
    ExchangeSchedule.objects.create(environment="paper", maintenance_windows=[window], read_at=now)
    actor = replace(place.trader, account_id=place.account.pk)

    def ask(**over: Any) -> Any:
        values = {"ticker": TICKER, "side": "buy_yes", "price": "0.5600", "count": "10.00", **over}
        return commands["order.preview"].handler(actor, values)["maintenance"]

    assert ask()["text"].startswith("Maintenance from ")
    assert (ask()["cancels"], ask(cancel_on_pause=True)["cancels"]) == (False, True)
    assert ask(time_in_force="immediate_or_cancel") is None
    assert ask(expires_at=window["start_datetime"]) is None
    ExchangeSchedule.objects.update(maintenance_windows=[])
    assert ask() is None


def _listed(*changes: tuple[str, str, datetime]) -> Any:
    rows = [
        {"id": name, "series_ticker": series, "fee_type": "quadratic", "fee_multiplier": 0.5, "scheduled_ts": moment}
        for name, series, at in changes
        for moment in [format_rfc3339(at)]
    ]
    return lambda request: httpx.Response(200, json={"series_fee_change_arr": rows})


def test_a_change_that_is_listed_no_more_is_forgotten_unless_it_happened(db: None) -> None:
    noon, hour = utc_now(), timedelta(hours=1)
    exchange = CatalogueExchange()
    exchange.add("KXRAIN", "KXRAIN-1", "KXRAIN-1-A")
    services.catalogue_sync("paper", client=exchange.client())

    def sync(now: datetime, *changes: tuple[str, str, datetime]) -> list[str]:
        exchange.others["/series/fee_changes"] = _listed(*changes)
        services.fee_changes_sync("paper", client=exchange.client(), now=now)
        return list(SeriesFeeChange.objects.order_by("exchange_id").values_list("exchange_id", flat=True))

    a, b = ("a", "KXRAIN", noon + hour), ("b", "KXRAIN", noon + 3 * hour)
    assert sync(noon, a, b) == ["a", "b"]
    assert sync(noon + 2 * hour, a, b) == ["a", "b"]  # "a" happened
    assert sync(noon + 4 * hour) == ["a"]  # "b" was withdrawn before its time
    kept = SeriesFeeChange.objects.get()
    assert (kept.before_type, kept.before_multiplier, kept.fee_multiplier) == ("quadratic", "0.5", "0.5")
    # Its figures of before were noted while it was ahead, and are not overwritten by later ones.
    Series.objects.update(fee_multiplier="7")
    assert sync(noon + 5 * hour, a) == ["a"]
    kept.refresh_from_db()
    assert kept.before_multiplier == "0.5"
    assert sync(noon + 5 * hour, a, ("c", "KXGONE", noon), ("", "KXRAIN", noon)) == ["a"]


def test_a_list_that_cannot_be_read_changes_nothing(db: None) -> None:
    exchange = CatalogueExchange()
    exchange.add("KXRAIN", "KXRAIN-1", "KXRAIN-1-A")
    services.catalogue_sync("paper", client=exchange.client())
    series = Series.objects.get()
    SeriesFeeChange.objects.create(
        environment="paper",
        exchange_id=str(uuid.uuid4()),
        series=series,
        fee_type="quadratic",
        fee_multiplier="1",
        scheduled_at=utc_now() + timedelta(days=1),
        seen_at=utc_now() - timedelta(days=1),
    )

    for answer in (httpx.Response(503), httpx.Response(200, json={}), httpx.Response(200, json={"series": []})):
        exchange.others["/series/fee_changes"] = lambda request, answer=answer: answer  # type: ignore[misc]
        with pytest.raises((ExchangeError, DeskError)):
            services.fee_changes_sync("paper", client=exchange.client())

    assert SeriesFeeChange.objects.count() == 1
