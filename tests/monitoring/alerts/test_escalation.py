"""What nobody acknowledges is told again: to the next channel or person, each step once, within bounds."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.accounts.models import Membership
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.monitoring.alerts import inbox, looking
from apps.monitoring.alerts.escalation import Step
from apps.monitoring.alerts.models import Alert, AlertCopy, AlertDelivery, AlertItem, AlertPerson
from apps.monitoring.alerts.rules import rule_switch
from apps.monitoring.alerts.telling import subjects_resolve
from tests.monitoring.alerts.test_telling import deliveries, fill, later, lead_of, rule
from tests.orders.conftest import Place, commits, place, published
from tests.support.people import actor_of, make_desk, make_person

__all__ = ["commits", "place", "published"]
pytestmark = pytest.mark.usefixtures("published")
Part, State = AlertDelivery.Part, AlertDelivery.State


def minutes(start: datetime, count: float) -> datetime:
    return start + timedelta(minutes=count)


@pytest.fixture
def lead(place: Place) -> Actor:
    return lead_of(place)


def told(place: Place, actor: Actor, *steps: Step, **over: Any) -> datetime:
    """A fill of a rule with these steps was told; returns when."""
    rule(actor, steps=steps, **({"is_desk": actor.user_id != place.trader.user_id} | over))
    fill(place)
    start = later(seconds=1)
    looking.look(now=start)
    assert Alert.objects.count() == 1
    return start


def test_steps_go_to_the_next_channel_then_the_next_person_each_once(place: Place, lead: Actor) -> None:
    boss = actor_of(make_person(place.desk, "lead"))
    start = told(
        place,
        lead,
        Step(5, by_browser=False, by_mail=True),
        Step(10, user_id=boss.user_id),
        roles=("trader",),
    )
    for moment in (4.9, 5, 5, 14.9):
        looking.look(now=minutes(start, moment))
    assert deliveries(part=Part.NEXT) == [("mail", "next", "waiting")]
    assert AlertDelivery.objects.get(part=Part.NEXT).user_id == place.trader.user_id
    assert not AlertCopy.objects.filter(user_id=boss.user_id).exists()

    for moment in (15, 15, 60, 600):
        looking.look(now=minutes(start, moment))
    second = AlertDelivery.objects.filter(part=Part.NEXT).latest("pk")
    assert (second.user_id, second.channel, AlertDelivery.objects.filter(part=Part.NEXT).count()) == (
        boss.user_id,
        "browser",
        2,
    )
    assert second.title.startswith("Not acknowledged: Filled:")
    assert "for 15 min" in second.text
    assert [row.step for row in Alert.objects.all()] == [2]
    assert AuditEntry.objects.filter(action="monitoring.alert.escalated").count() == 2
    assert inbox.unread_count(boss) == 1


@pytest.mark.parametrize("ends", ["acknowledged", "over", "off", "removed from the desk"])
def test_it_ends(place: Place, lead: Actor, ends: str) -> None:
    start = told(place, lead, Step(5), roles=("trader",))
    alert = Alert.objects.get()
    if ends == "acknowledged":
        inbox.alerts_acknowledge(place.trader, [alert.pk])
    elif ends == "over":
        subjects_resolve(place.desk.pk, [AlertItem.objects.get().subject], now=start)
    elif ends == "off":
        rule_switch(lead, alert.rule_id or 0, is_on=False)
    else:
        Membership.objects.filter(user_id=place.trader.user_id).update(is_active=False)

    for moment in (5, 50):
        looking.look(now=minutes(start, moment))

    assert not AlertDelivery.objects.filter(part=Part.NEXT).exists()
    assert not Alert.objects.filter(escalates_at__isnull=False).exists()


def test_what_was_over_and_is_not_has_to_be_acknowledged_anew(place: Place, lead: Actor) -> None:
    start = told(place, lead, Step(5), every=300)
    subjects_resolve(place.desk.pk, [AlertItem.objects.get().subject], now=start)
    fill(place, 2)
    looking.look(now=minutes(start, 1))
    looking.look(now=minutes(start, 5.5))
    assert not AlertDelivery.objects.filter(part=Part.NEXT).exists()
    looking.look(now=minutes(start, 6))
    assert Alert.objects.get().step == 1


@pytest.mark.parametrize(("kind", "held"), [("fill", True), ("kill.pulled", False)])
def test_quiet_hours_hold_a_step_but_not_an_urgent_one(place: Place, kind: str, held: bool) -> None:
    zone = {"quiet_begins": "00:00", "quiet_ends": "23:59", "urgent_passes": True}
    start = told(place, place.trader, Step(5))
    AlertPerson.objects.update_or_create(user_id=place.trader.user_id, defaults=zone)
    levels = {"fill": "info", "kill.pulled": "danger"}
    Alert.objects.update(kind=kind, level=levels[kind])
    # Noon, whatever the time of day is now: inside of the hours in every zone near.
    noon = (start + timedelta(days=1)).replace(hour=12, minute=0)

    looking.look(now=noon)

    assert AlertDelivery.objects.get(part=Part.NEXT).state == (State.HELD if held else State.WAITING)


def test_of_two_looks_at_once_one_takes_the_step(place: Place, lead: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    start = told(place, lead, Step(5), Step(5), roles=("trader",))
    real = looking.alerts_escalate
    from apps.monitoring.alerts import escalation

    found = escalation.due(now=minutes(start, 5))
    monkeypatch.setattr(escalation, "due", lambda *, now: found)
    assert (real(now=minutes(start, 5)), real(now=minutes(start, 5))) == (1, 0)
    assert Alert.objects.get().step == 1


def test_who_may_not_know_is_not_told_and_an_own_rule_tells_only_its_owner(place: Place, lead: Actor) -> None:
    start = told(place, lead, Step(5, roles=("viewer",)), kinds=("approval.asked", "fill"))
    make_person(place.desk, "viewer")
    Alert.objects.update(kind="approval.asked")
    looking.look(now=minutes(start, 5))
    assert Alert.objects.get().step == 1
    assert not AlertDelivery.objects.filter(part=Part.NEXT).exists()

    stranger = make_person(make_desk("Other"), "lead")
    wrong = [
        (lead, Step(5, user_id=stranger.pk), "This person is not on the desk."),
        (lead, Step(7), "Choose the minutes from the list."),
        (lead, Step(5, by_browser=False), "Choose how it is told: browser, e-mail or a webhook."),
        (lead, Step(5, webhook_id=99), "Choose one of the desk's webhooks."),
        (place.trader, Step(5, roles=("lead",)), "An own rule tells only you. A rule of the desk can tell others."),
    ]
    for actor, step, words in wrong:
        with pytest.raises(DeskError) as refused:
            rule(actor, steps=(step,), is_desk=actor is lead)
        assert refused.value.fields == {"step1": words}
