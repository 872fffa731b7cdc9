"""From committed rows to alerts: who is told, once, together with more of the same, and when it is over."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import Membership, User
from apps.audit import services as audit
from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.history.models import Discrepancy
from apps.monitoring import health
from apps.monitoring.alerts import inbox, looking, watch
from apps.monitoring.alerts.models import Alert, AlertCopy, AlertDelivery, AlertItem, AlertPerson, AlertRule
from apps.monitoring.alerts.rules import Wish, rule_save, rule_switch
from apps.orders.models import Fill, OrderIntent
from apps.orders.pages.limits import Bar
from apps.orders.services import intent_submit, send
from tests.orders.conftest import TICKER, Place, commits, make_ticket, place, published
from tests.support.people import actor_of, make_account, make_desk, make_person

__all__ = ["commits", "place", "published"]
pytestmark = pytest.mark.usefixtures("published")
State, Channel, Part = AlertDelivery.State, AlertDelivery.Channel, AlertDelivery.Part


def later(**span: float) -> datetime:
    return utc_now() + timedelta(**span)


def fill(place: Place, number: int = 1, **over: Any) -> Fill:
    now = utc_now()
    values: dict[str, Any] = {
        "account": place.account,
        "trade_id": f"t-{number}",
        "order_id_text": f"o-{number}",
        "ticker": TICKER,
        "book_side": "bid",
        "yes_price": Decimal("0.56"),
        "count": Decimal(10),
        "is_taker": True,
        "fee": Decimal("0.18"),
        "traded_at": now,
        "seen_at": now,
        "source": "ws",
    }
    return Fill.objects.create(**values | over)


def rule(actor: Actor, *kinds: str, **over: Any) -> AlertRule:
    return rule_save(actor, Wish(**{"kinds": kinds or ("fill",), "every": 0} | over))


def lead_of(place: Place) -> Actor:
    return actor_of(make_person(place.desk, "lead"))


def deliveries(**wanted: Any) -> list[tuple[str, str, str]]:
    rows = AlertDelivery.objects.filter(**wanted).order_by("pk")
    return [(row.channel, row.part, row.state) for row in rows]


def test_a_fill_is_told_once_however_often_it_is_looked_at(place: Place) -> None:
    rule(place.trader)
    fill(place)

    for _ in range(3):
        looking.look(now=later(seconds=1))

    alert = Alert.objects.get()
    assert (alert.title, alert.count) == (f"Filled: {TICKER}", 1)
    assert "10 YES at 56¢" in alert.text
    assert deliveries() == [("browser", "first", "waiting")]
    # A cursor that was lost: what a rule told of is known by its key.
    looking.AlertCursor.objects.filter(name="fill").update(position=0)
    looking.look(now=later(seconds=2))
    assert AlertItem.objects.count() == 1


def test_a_flood_is_taken_in_small_steps_and_whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking.rows, "AT_ONCE", 3)
    monkeypatch.setattr(looking.trail, "AT_ONCE", 3)
    rule(place.trader, "fill", "limit.changed", every=300)
    for number in range(8):
        fill(place, number)
        audit.record("orders.limit.set", actor_id=None, desk_id=place.desk.pk, target="risk_limit:1")

    looking.look(now=later(seconds=1))

    assert sorted(Alert.objects.values_list("kind", "count")) == [("fill", 8), ("limit.changed", 8)]


def test_of_two_looks_at_once_one_tells(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(place.trader, "limit.changed")
    audit.record("orders.limit.set", actor_id=None, desk_id=place.desk.pk, target="risk_limit:1")
    read = looking.trail.trail_entries

    def read_and_be_overtaken(desk_id: int, after: int) -> list[Any]:
        entries = read(desk_id, after)
        monkeypatch.setattr(looking.trail, "trail_entries", read)
        looking.look(now=later(seconds=1))
        return entries

    monkeypatch.setattr(looking.trail, "trail_entries", read_and_be_overtaken)
    looking.look(now=later(seconds=1))

    assert Alert.objects.get().count == 1


def test_what_cannot_be_read_of_one_desk_keeps_no_other_waiting(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rule(place.trader)
    fill(place)

    def broken(desk_id: int, after: int) -> list[Any]:
        raise TypeError("an entry that nobody foresaw")

    monkeypatch.setattr(looking.trail, "trail_entries", broken)
    looking.look(now=later(seconds=1))

    assert Alert.objects.get().title == f"Filled: {TICKER}"
    assert "a part of the alerts could not be looked at" in caplog.text


def test_what_happened_before_the_rule_and_old_history_is_no_news(place: Place) -> None:
    fill(place, 1)
    rule(place.trader)
    fill(place, 2, traded_at=utc_now() - timedelta(days=3))

    looking.look(now=later(seconds=1))

    assert not Alert.objects.exists()


def test_more_of_the_same_is_gathered_and_told_when_the_window_ends(place: Place) -> None:
    rule(place.trader, every=300)
    for number in range(15):
        fill(place, number)

    start = later(seconds=1)
    looking.look(now=start)
    alert = Alert.objects.get()
    assert alert.count == 15
    assert len(deliveries()) == 1

    looking.look(now=start + timedelta(seconds=200))
    assert len(deliveries()) == 1
    looking.look(now=start + timedelta(seconds=302))
    more = AlertDelivery.objects.get(part=Part.MORE)
    assert more.title.endswith("and 14 more")
    # Nothing came since: the window ends without a word.
    looking.look(now=start + timedelta(seconds=700))
    assert Alert.objects.get().window_ends_at is None
    assert len(deliveries()) == 2


def test_an_acknowledged_alert_takes_nothing_more(place: Place) -> None:
    rule(place.trader, every=300)
    fill(place, 1)
    looking.look(now=later(seconds=1))
    inbox.alerts_acknowledge(place.trader, [Alert.objects.get().pk])

    fill(place, 2)
    looking.look(now=later(seconds=2))

    assert Alert.objects.count() == 2
    assert deliveries()[0][2] == State.DROPPED


def test_only_people_of_the_desk_with_the_roles_of_the_rule_are_told(place: Place) -> None:
    stranger = actor_of(make_person(make_desk(), "trader"))
    rule(stranger)
    rule(lead_of(place), is_desk=True, roles=("trader",))
    quoter = make_person(place.desk, "quoter")
    fill(place)

    looking.look(now=later(seconds=1))

    told = set(AlertCopy.objects.values_list("user_id", flat=True))
    assert told == {place.trader.user_id}
    assert not inbox.alerts_visible_to(stranger).exists()
    assert not inbox.alerts_visible_to(actor_of(quoter)).exists()


def test_nobody_is_told_of_what_their_roles_hide_and_it_goes_with_the_role(place: Place) -> None:
    lead = lead_of(place)
    rule(lead, "approval.asked", is_desk=True)
    audit.record(
        "accounts.change.asked",
        actor_id=place.trader.user_id,
        desk_id=place.desk.pk,
        target="change_request:5",
        data={"title": "Make Anna a lead"},
    )

    looking.look(now=later(seconds=1))

    assert set(AlertCopy.objects.values_list("user_id", flat=True)) == {lead.user_id}
    Membership.objects.filter(user_id=lead.user_id).update(roles=["viewer"])
    lowered = actor_of(User.objects.get(pk=lead.user_id))
    assert inbox.unread_count(lowered) == 0
    assert not inbox.newest(lowered)


def test_an_order_without_an_outcome_is_told_and_is_over_when_it_is_known(place: Place) -> None:
    rule(place.trader, "order.unknown", is_mine=True)
    intent = intent_submit(place.trader, make_ticket(place))
    OrderIntent.objects.filter(pk=intent.pk).update(state="unknown")
    send.ended_record(intent, state=OrderIntent.State.UNKNOWN, code="timeout", text="No answer came.")

    looking.look(now=later(seconds=1))

    alert = Alert.objects.get()
    assert alert.level == "danger"
    assert "BUY YES 10 at 56¢" in alert.text
    AlertDelivery.objects.update(state=State.DELIVERED)
    send.ended_record(intent, state=OrderIntent.State.ACKED, code="", text="")
    looking.look(now=later(seconds=2))
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert deliveries(part=Part.OVER) == [("browser", "over", "waiting")]


def test_who_was_not_told_yet_is_not_told_that_it_is_over(place: Place) -> None:
    rule(place.trader, "pause.set")
    data = {"scope": "desk", "user_id": None, "why": "news"}
    for action in ("orders.pause.set", "orders.pause.released"):
        audit.record(action, actor_id=None, desk_id=place.desk.pk, target="trading_pause:3", data=data)

    looking.look(now=later(seconds=1))

    assert Alert.objects.get().resolved_at is not None
    assert deliveries() == [("browser", "first", "dropped")]


def test_a_rule_for_others_orders_does_not_tell_of_mine_only(place: Place) -> None:
    other = actor_of(make_person(place.desk, "trader"))
    rule(other, "order.refused", is_mine=True)
    intent = intent_submit(place.trader, make_ticket(place))
    send.ended_record(intent, state=OrderIntent.State.REFUSED, code="insufficient_balance", text="Not enough cash.")

    looking.look(now=later(seconds=1))

    assert not Alert.objects.exists()


def test_quiet_hours_hold_messages_and_urgent_ones_pass_where_wanted(place: Place) -> None:
    rule(place.trader, "fill", "kill.pulled", by_mail=True)
    # Around now, whatever the time of day: what is older than a day is told to nobody.
    begins, ends = later(hours=-2), later(hours=2).replace(second=0, microsecond=0)
    AlertPerson.objects.create(user_id=place.trader.user_id, quiet_begins=begins.time(), quiet_ends=ends.time())
    fill(place, seen_at=later(seconds=1))
    audit.record("monitoring.kill.pulled", actor_id=None, desk_id=place.desk.pk, target="kill_run:1", data={"why": "x"})

    looking.look(now=later(seconds=2))

    held = AlertDelivery.objects.filter(alert__kind="fill")
    assert {row.state for row in held} == {State.HELD}
    assert {row.next_try_at for row in held} == {ends}
    assert {row.state for row in AlertDelivery.objects.filter(alert__kind="kill.pulled")} == {State.WAITING}


def test_a_mention_is_for_the_person_alone_whatever_the_rule_says(place: Place) -> None:
    rule(lead_of(place), "mention", is_desk=True, every=300)
    data = {"text": "@viewer look", "mentions": [place.viewer.user_id]}
    for number in (1, 2):
        audit.record(
            "rfq.rfq.commented", actor_id=place.trader.user_id, desk_id=place.desk.pk, target=f"rfq:{number}", data=data
        )

    looking.look(now=later(seconds=1))

    assert set(AlertCopy.objects.values_list("user_id", flat=True)) == {place.viewer.user_id}
    assert Alert.objects.count() == 2


def test_a_part_that_is_bad_twice_is_told_and_again_when_it_is_well(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(place.trader, "feed", "health")
    parts = [health.Part("feed_paper", "Feed, paper", "danger", "no gateway", 0, "exchange")]
    monkeypatch.setattr(health, "parts", lambda desk_id, now: parts)

    looking.look_states(now=later(seconds=1))
    assert not Alert.objects.exists()
    looking.look_states(now=later(seconds=11))
    looking.look_states(now=later(seconds=21))

    alert = Alert.objects.get()
    assert (alert.kind, alert.title, alert.text) == ("feed", "Down: Feed, paper", "No gateway.")
    parts.clear()
    looking.look_states(now=later(seconds=31))
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert Alert.objects.count() == 1


def test_nothing_is_written_while_all_is_as_it_was(
    place: Place, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    rule(place.trader, "health")
    bad = [health.Part("disk", "Disk", "warning", "little is free", 1)]
    monkeypatch.setattr(health, "parts", lambda desk_id, now: bad)
    for number in range(3):
        looking.look_states(now=later(seconds=number))

    with django_assert_num_queries(2):  # the rules, what was remembered
        looking.look_states(now=later(seconds=9))


def test_a_difference_between_sources_is_told_after_a_minute_and_ends_when_resolved(place: Place) -> None:
    rule(place.trader, "break")
    now = utc_now()
    row = Discrepancy.objects.create(
        account=place.account,
        subject="trade",
        key="t-1",
        kind="no_ledger",
        ticker=TICKER,
        sides={},
        first_seen_at=now,
        last_seen_at=now,
    )

    looking.look_states(now=now + timedelta(seconds=30))
    assert not Alert.objects.exists()
    looking.look_states(now=now + timedelta(seconds=70))
    assert TICKER in Alert.objects.get().title
    Discrepancy.objects.filter(pk=row.pk).update(state="resolved")
    looking.look_states(now=now + timedelta(seconds=80))

    assert Alert.objects.get().resolved_at is not None


def test_limits_near_and_full_are_two_kinds(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(place.trader, "limit.near", "limit.full")
    share = 800

    def use(*_: Any, **__: Any) -> list[dict[str, Any]]:
        bar = Bar("Open contracts", "100", str(share // 10), "working now", share)
        return [{"user_id": place.trader.user_id, "name": "Anna", "bars": [bar]}]

    monkeypatch.setattr(watch, "use_of_everybody", use)
    for number in range(2):
        looking.look_states(now=later(seconds=number))
    share = 1000
    for number in range(2, 5):
        looking.look_states(now=later(seconds=number))

    near, full = Alert.objects.order_by("pk")
    assert (near.kind, near.resolved_at is not None) == ("limit.near", True)
    assert (full.kind, full.level, full.resolved_at) == ("limit.full", "danger", None)
    assert "Anna" in full.text


def test_a_rule_that_is_off_tells_nothing_and_what_happened_meanwhile_stays_untold(place: Place) -> None:
    off = rule(place.trader)
    rule_switch(place.trader, off.pk, is_on=False)
    fill(place, 1)
    looking.look(now=later(seconds=1))
    rule_switch(place.trader, off.pk, is_on=True)
    fill(place, 2)

    looking.look(now=later(seconds=2))

    assert AlertItem.objects.get().key == f"fill:{Fill.objects.get(trade_id='t-2').pk}"


def test_accounts_of_a_rule_are_told_apart(place: Place) -> None:
    second = make_account(place.desk)
    rule(place.trader, account_id=second.pk)
    fill(place, 1)
    fill(place, 2, account=second)

    looking.look(now=later(seconds=1))

    assert Alert.objects.get().account_id == second.pk
