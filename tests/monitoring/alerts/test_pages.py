"""The list, the rules in words, the test button; what a person may press there, and what the socket answers."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.core import ports
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.topics import TopicName
from apps.monitoring.alerts import addresses, delivery, inbox, looking
from apps.monitoring.alerts.models import Alert, AlertDelivery, AlertPerson, AlertRule, AlertWebhook
from apps.monitoring.alerts.rules import Wish, rule_save, rules_usual, webhook_add
from apps.rfq.models import StreamFilter
from tests.monitoring.alerts.test_telling import fill, later
from tests.orders.conftest import Place, commits, place, published
from tests.support.people import actor_of, client_of, make_desk, make_person

__all__ = ["commits", "place", "published"]
pytestmark = pytest.mark.usefixtures("published")
RULE = {"for": "me", "kinds": ["fill", "feed"], "tickers": "kxhigh", "least": "5", "every": "300", "browser": "yes"}


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


@pytest.fixture
def trader(place: Place) -> Client:
    return client_of(User.objects.get(pk=place.trader.user_id))


@pytest.fixture
def lead(place: Place) -> Actor:
    return actor_of(make_person(place.desk, "lead", username="lena"))


@pytest.fixture
def lena(lead: Actor) -> Client:
    return client_of(User.objects.get(pk=lead.user_id))


def test_a_rule_is_written_in_words_and_changed(trader: Client, place: Place) -> None:
    assert trader.post("/alerts/rules/save/", RULE).status_code == 302
    page = text_of(trader.get("/alerts/rules/"))
    assert "an order fills; a feed is stale or down" in page
    assert "markets KXHIGH…, at least $5.00" in page
    assert "every 5 minutes" in page

    rule = AlertRule.objects.get()
    editor = text_of(trader.get(f"/alerts/rules/?edit={rule.pk}"))
    assert 'value="fill" checked' in editor
    assert (
        trader.post("/alerts/rules/save/", RULE | {"rule": rule.pk, "kinds": ["fill"], "every": "0"}).status_code == 302
    )
    rule.refresh_from_db()
    assert (rule.kinds, rule.every) == (["fill"], 0)
    trader.post("/alerts/rules/switch/", {"rule": rule.pk})
    assert not AlertRule.objects.get().is_on
    trader.post("/alerts/rules/remove/", {"rule": rule.pk})
    assert "a feed is stale" not in text_of(trader.get("/alerts/rules/"))


def test_a_filter_of_requests_and_steps_are_kept_in_words(lena: Client, lead: Actor, place: Place) -> None:
    shared = StreamFilter.objects.create(
        desk=place.desk, environment="paper", name="Big ones", criteria={"min_contracts": "500"}
    )
    steps = {"step1_after": "5", "step1_to": "same", "step1_mail": "yes", "step3_after": "10"}
    steps |= {"step3_to": f"user:{lead.user_id}", "step3_browser": "yes"}
    form = RULE | steps | {"for": "desk", "kinds": ["rfq.incoming"], "filter": str(shared.pk)}
    assert lena.post("/alerts/rules/save/", form).status_code == 302
    page = text_of(lena.get("/alerts/rules/"))
    for words in ("somebody else asks for quotes", "filter “Big ones”"):
        assert words in page
    assert "after 5 min: the same people by e-mail" in page
    assert "after 10 more: lena by browser" in page
    editor = text_of(lena.get(f"/alerts/rules/?edit={AlertRule.objects.get().pk}"))
    assert f'value="{shared.pk}" selected' in editor
    assert f'value="user:{lead.user_id}" selected' in editor

    refused = lena.post("/alerts/rules/save/", form | {"every": "0", "step1_after": "7", "step1_to": "user:999999"})
    assert refused.status_code == 422
    again = text_of(refused)
    for words in ("once a minute at most", "Choose the minutes from the list.", f'value="{shared.pk}" selected'):
        assert words in again


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kinds": []}, "Choose at least one"),
        ({"kinds": ["nonsense"]}, "Choose at least one"),
        ({"least": "a lot"}, "Dollars, like 250"),
        ({"least": "-1"}, "more than 0"),
        ({"least": "NaN"}, "Dollars, like 250"),
        ({"every": "11"}, "Choose one of the list"),
        ({"every": "99999999999999999999"}, ""),
    ],
)
def test_what_is_wrong_is_said_beside_what_was_typed(trader: Client, wrong: dict[str, Any], words: str) -> None:
    answer = trader.post("/alerts/rules/save/", RULE | wrong)

    if words:
        assert answer.status_code == 422
        assert words in text_of(answer)
        assert "kxhigh" in text_of(answer)
        assert not AlertRule.objects.exists()


def test_only_a_lead_sets_the_desks_rules_and_webhooks(trader: Client, lena: Client, place: Place) -> None:
    for path, data in (
        ("/alerts/rules/save/", RULE | {"for": "desk"}),
        ("/alerts/rules/usual/", {"for": "desk"}),
        ("/alerts/webhooks/add/", {"name": "x", "address": "https://hooks.example.com/x"}),
        ("/alerts/webhooks/remove/", {"webhook": 1}),
    ):
        assert trader.post(path, data).status_code == 403
    assert "Webhooks" not in text_of(trader.get("/alerts/rules/"))
    assert lena.post("/alerts/rules/save/", RULE | {"for": "desk", "roles": ["trader", "lead"]}).status_code == 302
    rule = AlertRule.objects.get()
    assert (rule.owner_id, rule.roles) == (None, ["lead", "trader"])
    for path in ("/alerts/rules/switch/", "/alerts/rules/remove/"):
        assert trader.post(path, {"rule": rule.pk}).status_code == 403
    assert "Switch off" not in text_of(trader.get("/alerts/rules/"))
    assert "lead, trader" in text_of(trader.get("/alerts/rules/"))


def test_anothers_rule_and_another_desks_look_like_none(trader: Client, place: Place) -> None:
    other = rule_save(place.viewer, Wish(kinds=("fill",)))
    foreign = rule_save(actor_of(make_person(make_desk(), "lead")), Wish(kinds=("fill",), is_desk=True))

    for rule in (other, foreign):
        assert trader.post("/alerts/rules/remove/", {"rule": rule.pk}).status_code == 404
        assert trader.post("/alerts/rules/save/", RULE | {"rule": rule.pk}).status_code == 404


def test_a_webhooks_address_is_asked_for_once_and_shown_never(
    lena: Client, lead: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_resolve", lambda host, port: ["93.184.215.14"])
    secret = "https://chat.example.com/services/T0SECRET"
    assert lena.post("/alerts/webhooks/add/", {"name": "Chat", "address": secret}).status_code == 302

    page = text_of(lena.get("/alerts/rules/"))
    assert "chat.example.com" in page
    assert "SECRET" not in page
    monkeypatch.setattr(addresses, "_resolve", lambda host, port: ["127.0.0.1"])
    refused = lena.post("/alerts/webhooks/add/", {"name": "Chat", "address": "https://127.0.0.1/SECRET"})
    assert refused.status_code == 422
    assert "private network" in text_of(refused)
    assert "SECRET" not in text_of(refused)
    assert lena.post("/alerts/webhooks/remove/", {"webhook": AlertWebhook.objects.get().pk}).status_code == 302
    assert "chat.example.com" not in text_of(lena.get("/alerts/rules/"))


def test_adding_a_webhook_asks_again_who_is_there(place: Place) -> None:
    stale = client_of(make_person(place.desk, "lead"), is_fresh=False)

    answer = stale.post("/alerts/webhooks/add/", {"name": "Chat", "address": "https://hooks.example.com/x"})

    assert answer.status_code == 302
    assert "reauthenticate" in answer["Location"]
    assert not AlertWebhook.objects.exists()


def test_the_list_says_what_became_of_it_and_who_has_it(trader: Client, place: Place, lead: Actor) -> None:
    rule_save(lead, Wish(kinds=("fill",), is_desk=True, every=300, by_mail=True))
    for number in range(3):
        fill(place, number)
    looking.look(now=later(seconds=1))
    AlertDelivery.objects.filter(channel="mail").update(state="failed", reason="no mail server is set up")

    page = text_of(trader.get("/alerts/"))
    for words in (
        "Filled: KXHIGHNY",
        "and 2 more",
        "desk's rule",
        "E-mail: failed",
        "no mail server",
        "Browser: waiting",
    ):
        assert words in page, words
    alert = Alert.objects.get()
    trader.post("/alerts/acknowledge/", {"alert": alert.pk, "query": "state=open"})
    assert Alert.objects.get().acknowledged_by_id == place.trader.user_id
    assert "Acknowledge:" not in text_of(trader.get("/alerts/"))
    assert "No alert matches" in text_of(trader.get("/alerts/?state=open"))
    assert "Filled" in text_of(trader.get("/alerts/?group=Trading&level=info"))
    assert "No alert matches" in text_of(trader.get("/alerts/?group=Health"))


def test_texts_of_the_exchange_are_text_on_the_page(trader: Client, place: Place) -> None:
    inbox.trial_send(place.trader)
    Alert.objects.update(title="<script>alert(1)</script>", text="<img src=x>")

    page = text_of(trader.get("/alerts/"))

    assert "<script>alert(1)" not in page
    assert "&lt;img" in page


def test_acknowledging_returns_to_the_list_and_nowhere_else(trader: Client, place: Place) -> None:
    alert = inbox.trial_send(place.trader)

    answer = trader.post("/alerts/acknowledge/", {"alert": alert.pk, "query": "x\r\nLocation: //evil.example"})

    assert answer["Location"].startswith("/alerts/")
    assert trader.post("/alerts/acknowledge/", {"alert": 999_999}).status_code == 404


def test_the_test_button_shows_its_result(trader: Client, place: Place) -> None:
    assert trader.post("/alerts/test/").status_code == 302

    result = text_of(trader.get("/alerts/test/result/"))

    assert "data-waiting" in result
    assert "The list: delivered" in result
    AlertDelivery.objects.update(state="delivered")
    assert "data-waiting" not in text_of(trader.get("/alerts/test/result/"))


def test_quiet_hours_are_kept_and_half_of_them_refused(trader: Client, place: Place) -> None:
    assert trader.post("/alerts/reach/", {"begins": "22:00", "ends": "07:00", "mail": ""}).status_code == 302
    row = AlertPerson.objects.get()
    assert (f"{row.quiet_begins:%H:%M}", f"{row.quiet_ends:%H:%M}", row.urgent_passes) == ("22:00", "07:00", False)
    assert trader.post("/alerts/reach/", {"begins": "22:00", "ends": ""}).status_code == 422
    assert trader.post("/alerts/reach/", {"begins": "later", "ends": "07:00"}).status_code == 422
    assert trader.post("/alerts/reach/", {"begins": "", "ends": "", "mail": "not an address"}).status_code == 422


def test_the_usual_rules_are_set_once(place: Place, lead: Actor) -> None:
    made = rules_usual(lead, is_desk=True)

    assert {kind for rule in made for kind in rule.kinds} >= {"fill", "confirm.open", "kill.pulled", "feed", "mention"}
    with pytest.raises(DeskError):
        rules_usual(lead, is_desk=True)


def test_a_viewer_reads_and_has_rules_of_their_own(place: Place) -> None:
    viewer = client_of(User.objects.get(pk=place.viewer.user_id))

    assert viewer.post("/alerts/rules/save/", RULE).status_code == 302
    page = text_of(viewer.get("/alerts/rules/?for=me"))
    assert "waits for approval" not in page
    assert "Webhooks" not in page


def test_the_socket_tells_each_person_their_own(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BROWSER_PATIENCE", timedelta(days=1))
    inbox.trial_send(place.trader)
    news = ports.commands["alert.news"].handler

    mine, theirs = news(place.trader, {"may_show": True}), news(place.viewer, {"may_show": True})

    assert (mine["unread"], len(mine["newest"]), len(mine["show"])) == (1, 1, 1)
    assert (theirs["unread"], theirs["newest"], theirs["show"]) == (0, [], [])
    assert news(place.trader, {})["show"] == []
    ids = [mine["show"][0]["delivery_id"]]
    assert ports.commands["alert.shown"].handler(place.trader, {"ids": ids}) == {"shown": 1}
    assert ports.commands["alert.read"].handler(place.trader, {}) == {"read": 1}
    assert ports.commands["alert.acknowledge"].handler(place.trader, {"ids": [mine["newest"][0]["id"]]})


@pytest.mark.parametrize("ids", [None, 7, "7", [True], ["7"], [0], [-1], [2**60], list(range(1, 102))])
def test_the_socket_refuses_ids_that_are_none(place: Place, ids: Any) -> None:
    with pytest.raises(DeskError):
        ports.commands["alert.acknowledge"].handler(place.trader, {"ids": ids})


def test_the_topic_says_that_something_changed_and_nothing_more(place: Place, published: Any) -> None:
    inbox.trial_send(place.trader)

    frames = [frame for topic, frame in published.frames if topic == f"alerts:{place.account.pk}"]

    assert frames
    assert all(set(frame) == {"changed_ms"} for frame in frames)
    state = ports.topics["alerts"].state
    assert state is not None
    assert set(state(TopicName("alerts", str(place.account.pk))) or {}) == {"changed_ms"}
    assert state(TopicName("alerts", "999999")) is None


def test_a_webhook_of_a_rule_that_is_removed_leaves_the_rule(
    place: Place, lead: Actor, lena: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_resolve", lambda host, port: ["93.184.215.14"])
    hook = webhook_add(lead, name="Chat", url="https://hooks.example.com/x")
    rule = rule_save(lead, Wish(kinds=("fill",), is_desk=True, webhook_id=hook.pk))

    lena.post("/alerts/webhooks/remove/", {"webhook": hook.pk})

    rule.refresh_from_db()
    assert (rule.webhook_id, rule.is_on) == (None, True)
