"""Rules of requests of others: what they let the stream watch, and what its matches become."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.monitoring.alerts import looking, tasks
from apps.monitoring.alerts.models import Alert, AlertRule
from apps.monitoring.alerts.requests import KIND, watches
from apps.monitoring.alerts.rules import rule_remove, rule_switch
from apps.rfq.models import StreamFilter, StreamHit
from apps.rfq.services.filters import filter_remove
from apps.rfq.services.watches import providers
from tests.monitoring.alerts.test_telling import deliveries, later, lead_of, rule
from tests.orders.conftest import Place, commits, place, published
from tests.support.people import actor_of, make_account, make_person

__all__ = ["commits", "place", "published"]
pytestmark = pytest.mark.usefixtures("published")


def saved(place: Place, owner: Actor | None = None, **over: Any) -> StreamFilter:
    values = {"environment": place.account.environment, "name": "Big", "criteria": {"min_contracts": "500"}}
    return StreamFilter.objects.create(
        desk=place.desk, owner_id=None if owner is None else owner.user_id, **values | over
    )


def hit(place: Place, wanted: AlertRule, number: int = 1, **over: Any) -> StreamHit:
    values: dict[str, Any] = {
        "desk": place.desk,
        "watch": wanted.pk,
        "environment": place.account.environment,
        "count": 1,
        "rfq_id": f"rfq-{number}",
        "ticker": "KXBIG-1",
        "contracts": Decimal(500),
        "seen_at": utc_now(),
    }
    return StreamHit.objects.create(**values | over)


def test_a_rule_is_watched_with_its_filter_in_each_environment_once(place: Place) -> None:
    assert watches in providers
    make_account(place.desk, name="Second")  # of the same environment: one stream
    wanted = rule(place.trader, KIND, every=60, tickers="kxbig", least=Decimal(5), filter_id=saved(place).pk)
    rule(place.trader, "fill")
    (watch,) = watches()
    assert (watch.number, watch.desk_id, watch.account) == (wanted.pk, place.desk.pk, place.account)
    assert (watch.tickers, watch.least, watch.criteria.min_contracts) == (("KXBIG",), Decimal(5), Decimal(500))

    make_account(place.desk, environment="demo", name="Demo")
    rule_switch(place.trader, wanted.pk, is_on=False)
    assert list(watches()) == []
    rule(place.trader, KIND, every=60)
    assert [one.account.environment for one in watches()] == [place.account.environment, "demo"]


def test_another_persons_filter_is_refused_and_one_that_was_lost_matches_nothing(place: Place) -> None:
    other = actor_of(make_person(place.desk, "trader"))
    theirs, own = saved(place, other), saved(place, place.trader, name="Mine")
    for actor, filter_id, is_desk in ((place.trader, theirs.pk, False), (lead_of(place), own.pk, True)):
        with pytest.raises(DeskError) as refused:
            rule(actor, KIND, every=60, filter_id=filter_id, is_desk=is_desk)
        assert set(refused.value.fields) == {"filter"}
    rule(place.trader, KIND, every=60, filter_id=own.pk)
    assert len(list(watches())) == 1
    StreamFilter.objects.filter(pk=own.pk).update(owner_id=other.user_id)
    assert list(watches()) == []


def test_a_filter_under_a_rule_cannot_be_removed_until_the_rule_is(place: Place) -> None:
    quoter = replace(actor_of(make_person(place.desk, "quoter")), account_id=place.account.pk)
    own = saved(place, quoter)
    wanted = rule(quoter, KIND, every=60, filter_id=own.pk)
    with pytest.raises(DeskError) as refused:
        filter_remove(quoter, own.pk)
    assert refused.value.code == "filter_used"
    rule_remove(quoter, wanted.pk)
    filter_remove(quoter, own.pk)
    assert not StreamFilter.objects.exists()


def test_requests_are_told_once_a_minute_at_most_and_filters_are_for_them(place: Place) -> None:
    wrong: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
        ((KIND,), {"every": 0}, "every"),
        (("fill",), {"every": 60, "filter_id": saved(place).pk}, "filter"),
    ]
    for kinds, over, field in wrong:
        with pytest.raises(DeskError) as refused:
            rule(place.trader, *kinds, **over)
        assert set(refused.value.fields) == {field}


def test_matches_become_one_alert_of_their_rule_that_counts_each_request(place: Place) -> None:
    wanted = rule(place.trader, KIND, "fill", every=60)
    rule(actor_of(make_person(place.desk, "trader")), KIND, every=60)  # of another filter: told nothing here
    hit(place, wanted, 1, count=14)
    start = later(seconds=1)
    looking.look(now=start)
    alert = Alert.objects.get()
    assert (alert.rule_id, alert.title, alert.count) == (wanted.pk, "Request: KXBIG-1", 14)
    assert alert.text == f"500 contracts; the largest of 14 requests, {place.account.environment}."

    hit(place, wanted, 2, count=3, contracts=None, target_cost=Decimal(250), legs=2)
    looking.look(now=start + timedelta(seconds=2))
    looking.look(now=start + timedelta(seconds=61))
    alert.refresh_from_db()
    assert (alert.count, deliveries(part="more")) == (17, [("browser", "more", "waiting")])
    assert alert.text.startswith("Combo of 2 legs, $250.00 to spend; the largest of 3 requests")


def test_what_was_told_from_is_deleted_after_a_day(place: Place) -> None:
    wanted = rule(place.trader, KIND, every=60)
    hit(place, wanted, 1, seen_at=utc_now() - timedelta(days=2))
    hit(place, wanted, 2)
    tasks.alerts_tidy()
    assert [row.rfq_id for row in StreamHit.objects.all()] == ["rfq-2"]
