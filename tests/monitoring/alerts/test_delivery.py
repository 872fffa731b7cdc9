"""Messages: by mail, by webhook to a real server on this machine, by the page; tried again, told honestly."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from apps.accounts.models import Membership, User
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.monitoring.alerts import delivery, inbox, tasks, webhook
from apps.monitoring.alerts.matching import TRIES
from apps.monitoring.alerts.models import Alert, AlertDelivery, AlertWebhook
from apps.monitoring.alerts.rules import Wish, person_save, rule_save, webhook_add, webhook_remove
from tests.orders.conftest import Place, commits, place, published
from tests.support.people import actor_of, make_person

__all__ = ["commits", "place", "published"]
pytestmark = pytest.mark.usefixtures("published")
State = AlertDelivery.State
SECRET = "T0SECRET/B0SECRET"


class Receiver(ThreadingHTTPServer):
    """answers: what to say to the next requests; the last one again and again. got: what came."""

    def __init__(self) -> None:
        self.answers: list[int] = [200]
        self.got: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), Answering)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/services/{SECRET}"


class Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append({"path": self.path, "body": json.loads(body), "headers": dict(self.headers)})
        status = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for a while is no server that does not answer."""
    monkeypatch.setattr(webhook, "STEP_SECONDS", 60.0)
    monkeypatch.setattr(webhook, "WHOLE_SECONDS", 120.0)
    monkeypatch.setattr(delivery, "WORK_SECONDS", 600.0)
    monkeypatch.setattr(delivery, "CLAIM", timedelta(hours=1))


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings.DESK_MODE = "demo"
    settings.ALERT_WEBHOOK_INSIDE = [f"127.0.0.1:{server.server_address[1]}"]
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def lead(place: Place) -> Actor:
    return actor_of(make_person(place.desk, "lead"))


def hook_of(lead: Actor, receiver: Receiver) -> AlertWebhook:
    return webhook_add(lead, name="Desk chat", url=receiver.url)


def now_due() -> None:
    """Let the time of the next try have come."""
    past = utc_now() - timedelta(seconds=1)
    AlertDelivery.objects.update(next_try_at=past)
    AlertWebhook.objects.exclude(retry_at=None).update(retry_at=past)


def one(channel: str) -> AlertDelivery:
    return AlertDelivery.objects.get(channel=channel)


def test_a_webhook_gets_what_slack_takes_and_nothing_that_slack_would_act_on(lead: Actor, receiver: Receiver) -> None:
    hook = hook_of(lead, receiver)
    alert = inbox.trial_send(lead, webhook_id=hook.pk)
    AlertDelivery.objects.update(title="<!channel> *up*", text="a & b\n<http://x|y>")

    tasks.alerts_send_sync("webhook")

    (got,) = receiver.got
    assert got["path"] == f"/services/{SECRET}"
    assert got["body"]["text"].startswith("*&lt;!channel&gt; ·up·*\na &amp; b &lt;http://x|y&gt;\n")
    assert got["headers"]["Idempotency-Key"] == f"alert-delivery-{one('webhook').pk}"
    assert "Cookie" not in got["headers"]
    assert (one("webhook").state, one("webhook").attempts) == (State.DELIVERED, 1)
    assert AlertWebhook.objects.get().delivered_at is not None
    tasks.alerts_send_sync("webhook")
    assert len(receiver.got) == 1
    assert alert.kind == "test"


def test_a_server_that_is_away_is_tried_again_later_and_then_given_up(lead: Actor, receiver: Receiver) -> None:
    inbox.trial_send(lead, webhook_id=hook_of(lead, receiver).pk)
    receiver.answers = [503]

    for number in range(TRIES):
        assert one("webhook").state == State.WAITING, number
        now_due()
        tasks.alerts_send_sync("webhook")
        tasks.alerts_send_sync("webhook")  # not due yet

    row = one("webhook")
    assert (row.state, row.attempts, row.reason) == (State.FAILED, TRIES, "it answered 503")
    assert len(receiver.got) == TRIES
    assert AlertWebhook.objects.get().failures == TRIES


def test_it_is_delivered_once_when_the_server_is_back(lead: Actor, receiver: Receiver) -> None:
    inbox.trial_send(lead, webhook_id=hook_of(lead, receiver).pk)
    receiver.answers = [500, 429, 200]

    for _ in range(4):
        now_due()
        tasks.alerts_send_sync("webhook")

    assert (one("webhook").state, one("webhook").attempts, one("webhook").reason) == (State.DELIVERED, 3, "")
    assert AlertWebhook.objects.get().failures == 0


@pytest.mark.parametrize(
    ("status", "words"), [(302, "redirect"), (307, "redirect"), (404, "answered 404"), (410, "410")]
)
def test_a_redirect_is_not_followed_and_a_clear_no_is_final(
    lead: Actor, receiver: Receiver, status: int, words: str
) -> None:
    inbox.trial_send(lead, webhook_id=hook_of(lead, receiver).pk)
    receiver.answers = [status]

    tasks.alerts_send_sync("webhook")

    assert one("webhook").state == State.FAILED
    assert words in one("webhook").reason
    assert len(receiver.got) == 1


def test_one_webhook_that_fails_is_left_alone_and_does_not_hold_up_another(lead: Actor, receiver: Receiver) -> None:
    good = hook_of(lead, receiver)
    bad = AlertWebhook.objects.create(
        desk_id=lead.desk_id,
        name="Gone",
        host="127.0.0.1",
        sealed=webhook.url_seal("http://127.0.0.1:1/x"),
        made_by_id=lead.user_id,
        made_at=utc_now(),
    )
    for _ in range(2):
        inbox.trial_send(lead, webhook_id=bad.pk)
    inbox.trial_send(lead, webhook_id=good.pk)
    AlertWebhook.objects.filter(pk=bad.pk).update(retry_at=utc_now() + timedelta(minutes=1))

    tasks.alerts_send_sync("webhook")

    assert one_of(good).state == State.DELIVERED
    assert {row.attempts for row in AlertDelivery.objects.filter(webhook=bad)} == {0}


def one_of(hook: AlertWebhook) -> AlertDelivery:
    return AlertDelivery.objects.get(webhook=hook)


def test_an_address_that_turned_inside_meanwhile_gets_nothing(lead: Actor, receiver: Receiver, settings: Any) -> None:
    inbox.trial_send(lead, webhook_id=hook_of(lead, receiver).pk)
    settings.ALERT_WEBHOOK_INSIDE = []

    tasks.alerts_send_sync("webhook")

    assert one("webhook").state == State.FAILED
    assert not receiver.got


def test_the_connection_goes_to_the_judged_address_whatever_the_name_says_later(
    receiver: Receiver, settings: Any
) -> None:
    port = receiver.server_address[1]
    settings.ALERT_WEBHOOK_INSIDE = [f"chat.intern:{port}"]

    outcome = webhook.post(
        f"http://chat.intern:{port}/x", "hello", delivery_id=1, resolve=lambda host, _: ["127.0.0.1"]
    )

    assert outcome.problem == ""
    assert receiver.got[0]["headers"]["Host"] == f"chat.intern:{port}"


def test_a_server_that_drips_or_says_nothing_ends_in_time(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(webhook, "STEP_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings.ALERT_WEBHOOK_INSIDE = [f"127.0.0.1:{port}"]
        outcome = webhook.post(f"http://127.0.0.1:{port}/x", "hello", delivery_id=1)

    assert outcome.may_help
    assert "time" in outcome.problem or "reached" in outcome.problem


def test_the_address_is_nowhere_but_sealed(lead: Actor, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    hook = hook_of(lead, receiver)
    inbox.trial_send(lead, webhook_id=hook.pk)
    receiver.answers = [503]
    tasks.alerts_send_sync("webhook")

    kept = [str(value) for row in AlertWebhook.objects.values() for value in row.values()]
    kept += [str(row) for row in AuditEntry.objects.values("data", "target")]
    kept += [str(row) for row in AlertDelivery.objects.values()] + [caplog.text]
    assert not any("SECRET" in text for text in kept)
    assert webhook.url_open(hook.sealed) == receiver.url
    webhook_remove(lead, hook.pk)
    assert AlertWebhook.objects.get().sealed == ""
    assert one("webhook").state == State.DROPPED


def test_only_who_may_tell_others_adds_webhooks_and_an_inside_address_is_refused(place: Place, lead: Actor) -> None:
    with pytest.raises(NotAllowed):
        webhook_add(place.trader, name="Mine", url="https://hooks.example.com/x")
    with pytest.raises(DeskError, match="private network"):
        webhook_add(lead, name="Inside", url="https://127.0.0.1/x")
    assert not AlertWebhook.objects.exists()


# --- mail ---------------------------------------------------------------------------------------------


def test_mail_goes_to_the_address_of_the_person_with_a_link(place: Place, mailoutbox: list[Any]) -> None:
    User.objects.filter(pk=place.trader.user_id).update(email="anna@example.com")
    inbox.trial_send(place.trader)

    tasks.alerts_send_sync("mail")

    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == (["anna@example.com"], "[Kalshi Desk] Test alert")
    assert mail.body.endswith("/alerts/rules/")
    assert one("mail").state == State.DELIVERED


def test_an_address_of_alerts_comes_before_the_accounts_and_none_is_said(place: Place, mailoutbox: list[Any]) -> None:
    inbox.trial_send(place.trader)
    tasks.alerts_send_sync("mail")
    assert "no e-mail address" in one("mail").reason

    person_save(place.trader, begins=None, ends=None, urgent_passes=True, mail="phone@example.com")
    inbox.trial_send(place.trader)
    tasks.alerts_send_sync("mail")
    assert mailoutbox[0].to == ["phone@example.com"]


def test_without_a_server_nothing_pretends_to_have_been_sent(
    place: Place, settings: Any, mailoutbox: list[Any]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = ""
    User.objects.filter(pk=place.trader.user_id).update(email="anna@example.com")
    inbox.trial_send(place.trader)

    tasks.alerts_send_sync("mail")

    assert (one("mail").state, one("mail").reason) == (State.FAILED, delivery.NO_SERVER)


def test_a_mail_server_that_refuses_is_tried_again(place: Place, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    User.objects.filter(pk=place.trader.user_id).update(email="anna@example.com")
    inbox.trial_send(place.trader)

    tasks.alerts_send_sync("mail")

    row = one("mail")
    assert (row.state, row.attempts) == (State.WAITING, 1)
    assert row.next_try_at > utc_now()


def test_who_left_the_desk_gets_no_mail(place: Place, mailoutbox: list[Any]) -> None:
    User.objects.filter(pk=place.trader.user_id).update(email="anna@example.com")
    inbox.trial_send(place.trader)
    Membership.objects.filter(user_id=place.trader.user_id).update(is_active=False)

    tasks.alerts_send_sync("mail")

    assert not mailoutbox
    assert one("mail").state == State.FAILED


def test_a_worker_that_died_while_sending_is_followed_by_another(place: Place, mailoutbox: list[Any]) -> None:
    User.objects.filter(pk=place.trader.user_id).update(email="anna@example.com")
    inbox.trial_send(place.trader)
    AlertDelivery.objects.filter(channel="mail").update(claimed_until=utc_now() + timedelta(hours=1), attempts=1)

    tasks.alerts_send_sync("mail")
    assert not mailoutbox
    AlertDelivery.objects.filter(channel="mail").update(claimed_until=utc_now() - timedelta(seconds=1))
    tasks.alerts_send_sync("mail")
    assert len(mailoutbox) == 1


# --- the browser, acknowledging, the test button ---------------------------------------------------------


def test_an_open_page_shows_its_persons_own_and_says_so(place: Place) -> None:
    now = inbox.trial_send(place.trader).at

    assert not delivery.browser_waiting(place.viewer, now=now)
    (shown,) = delivery.browser_waiting(place.trader, now=now)
    assert (shown.title, shown.link) == ("Test alert", "/alerts/rules/")
    assert delivery.browser_shown(place.viewer, [shown.delivery_id], now=now) == 0
    assert delivery.browser_shown(place.trader, [shown.delivery_id], now=now) == 1
    assert not delivery.browser_waiting(place.trader, now=now)
    assert one("browser").state == State.DELIVERED


def test_what_no_page_took_is_said_to_have_reached_nobody(place: Place) -> None:
    sent_at = inbox.trial_send(place.trader).at

    delivery.browser_overdue(now=sent_at + timedelta(seconds=80))
    assert one("browser").state == State.WAITING
    delivery.browser_overdue(now=sent_at + timedelta(seconds=100))
    assert (one("browser").state, one("browser").reason) == (State.FAILED, delivery.NOBODY_LOOKED)


def test_acknowledging_is_for_all_who_were_told_and_stays_the_firsts(place: Place, lead: Actor) -> None:
    alert = inbox.trial_send(place.trader)
    with pytest.raises(NotFound):
        inbox.alerts_acknowledge(lead, [alert.pk])

    assert inbox.alerts_acknowledge(place.trader, [alert.pk, alert.pk]) == 1
    assert inbox.alerts_acknowledge(place.trader, [alert.pk]) == 0

    alert.refresh_from_db()
    assert alert.acknowledged_by_id == place.trader.user_id
    assert {row.state for row in AlertDelivery.objects.all()} == {State.DROPPED}
    assert AuditEntry.objects.filter(action="monitoring.alert.acknowledged").count() == 1
    assert inbox.unread_count(place.trader) == 0


def test_looking_makes_nothing_new_and_leaves_it_open(place: Place) -> None:
    inbox.trial_send(place.trader)
    assert inbox.unread_count(place.trader) == 1

    inbox.alerts_read(place.trader)

    assert inbox.unread_count(place.trader) == 0
    assert inbox.alerts_found(place.trader, inbox.Choice(state="open")).count() == 1


def test_tests_are_few_a_minute_and_of_ones_own_webhooks(place: Place, lead: Actor) -> None:
    now = utc_now()
    for _ in range(6):
        inbox.trial_send(place.trader, now=now)
    with pytest.raises(DeskError, match="Six tests"):
        inbox.trial_send(place.trader, now=now)
    with pytest.raises(NotAllowed):
        inbox.trial_send(place.viewer, webhook_id=1)
    with pytest.raises(NotFound):
        inbox.trial_send(lead, webhook_id=999_999)


def test_old_alerts_go_after_thirty_days(place: Place) -> None:
    old, kept = inbox.trial_send(place.trader), inbox.trial_send(place.trader)
    Alert.objects.filter(pk=old.pk).update(latest_at=utc_now() - timedelta(days=31))

    tasks.alerts_tidy()

    assert list(Alert.objects.values_list("pk", flat=True)) == [kept.pk]


def test_rules_are_checked_before_they_are_kept(place: Place, lead: Actor) -> None:
    for wish, field in (
        (Wish(kinds=()), "kinds"),
        (Wish(kinds=("test",)), "kinds"),
        (Wish(kinds=("approval.asked",)), "kinds"),
        (Wish(kinds=("fill",), every=7), "every"),
        (Wish(kinds=("fill",), webhook_id=1), "webhook"),
    ):
        with pytest.raises(DeskError) as caught:
            rule_save(place.trader, wish)
        assert field in caught.value.fields
    with pytest.raises(NotAllowed):
        rule_save(place.trader, Wish(kinds=("fill",), is_desk=True))
    rule = rule_save(lead, Wish(kinds=("fill",), is_desk=True, roles=("trader",)))
    with pytest.raises(NotAllowed):
        rule_save(place.trader, Wish(kinds=("fill",)), rule_id=rule.pk)
