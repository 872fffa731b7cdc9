from datetime import UTC, datetime
from decimal import Decimal

import pytest
from celery import current_app

from apps.core.ports import FeedContext, feed_handlers
from apps.exchange.wire.schemas import EventLifecycle, MarketLifecycle
from apps.markets import services, tasks
from apps.markets.models import Market
from tests.support.catalogue import CatalogueExchange

pytestmark = pytest.mark.django_db


@pytest.fixture
def market(db):
    world = CatalogueExchange()
    world.add("KXRAIN", "KXRAIN-26NOV", "KXRAIN-26NOV-T1")
    services.event_save("paper", world.events["KXRAIN-26NOV"])
    services.markets_save("paper", world.markets.values())
    return Market.objects.get()


def apply(market, **fields):
    result = services.lifecycle_apply("paper", [MarketLifecycle(market_ticker="KXRAIN-26NOV-T1", **fields)])
    market.refresh_from_db()
    return result


def test_a_pause_and_its_end_change_the_status_at_once(market):
    apply(market, event_type="deactivated", is_deactivated=True)
    assert market.status == "inactive"

    apply(market, event_type="activated", is_deactivated=False)
    assert market.status == "active"


def test_a_determined_market_has_its_result_and_value(market):
    apply(market, event_type="determined", result="yes", settlement_value="1.0000")
    assert (market.status, market.result, market.settlement_value) == ("determined", "yes", Decimal(1))

    apply(market, event_type="settled", settled_ts=1_700_000_000)
    assert market.status == "finalized"


def test_a_new_closing_date_is_taken_over(market):
    result = apply(market, event_type="close_date_updated", close_ts=1_800_000_000)

    assert market.close_time == datetime.fromtimestamp(1_800_000_000, UTC)
    assert result.markets == set()


@pytest.mark.parametrize(
    "fields",
    [
        {"event_type": "price_level_structure_updated", "price_level_structure": "deci_cent"},
        {"event_type": "metadata_updated", "yes_sub_title": "More"},
        {"event_type": "a_word_of_tomorrow"},
    ],
)
def test_what_a_message_does_not_say_is_read_from_the_exchange(market, fields):
    assert apply(market, **fields).markets == {"KXRAIN-26NOV-T1"}


def test_a_market_that_is_not_stored_yet_is_read(market):
    result = services.lifecycle_apply("paper", [MarketLifecycle(market_ticker="NEW", event_type="created")])

    assert result.markets == {"NEW"}
    assert not Market.objects.filter(ticker="NEW").exists()


def test_applying_a_message_twice_changes_nothing(market):
    apply(market, event_type="determined", result="no", settlement_value="0.0000")
    before = Market.objects.values().exclude(pk=0).get() | {"updated_at": None}

    apply(market, event_type="determined", result="no", settlement_value="0.0000")

    assert Market.objects.values().get() | {"updated_at": None} == before


def test_numbers_out_of_form_do_not_overwrite_what_is_known(market):
    apply(market, event_type="determined", result="yes", settlement_value="lots")

    assert market.status == "determined"
    assert market.settlement_value is None


def test_the_gateway_hands_lifecycle_messages_to_the_catalogue_which_queues_its_readings(market, monkeypatch):
    queued = []
    for task in (tasks.market_fetch, tasks.event_fetch):
        name = task.name
        monkeypatch.setattr(
            current_app.tasks[name], "apply_async", lambda args, name=name, **options: queued.append((name, args))
        )
    context = FeedContext(1, "paper", 0)

    for handler in feed_handlers["market_lifecycle_v2"]:
        handler(context, [MarketLifecycle(market_ticker="NEW", event_type="created")])
    for handler in feed_handlers["event_lifecycle"]:
        handler(context, [EventLifecycle(event_ticker="KXNEW-1")])

    assert queued == [
        ("apps.markets.tasks.market_fetch", ("paper", "NEW")),
        ("apps.markets.tasks.event_fetch", ("paper", "KXNEW-1")),
    ]
