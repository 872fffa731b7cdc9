"""The FIX pages: what each role finds on them, what an act does with its reason, and what nobody may reach."""

import re
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.core import ports
from apps.core.permissions import FIX_ACTS, ROLE_PERMISSIONS, Permission, Role
from apps.core.timestamps import utc_now
from apps.core.topics import TopicName
from apps.fix import console, console_latency
from apps.fix.models import FixAsk, FixExecution, FixRecovery, FixSession
from apps.fix.urls import ACTS
from apps.fix.views import acts_for
from tests.fix.console_desk import KEY_ID, NOON, logon, make_session, plain, report, store
from tests.orders.conftest import Place, make_trade_key
from tests.support.people import actor_of, client_of, make_person

WHY = "the line looked slow"
PAGES = ("fix_sessions", "fix_routes", "fix_messages", "fix_trace", "fix_drop_copy", "fix_live")


@pytest.fixture
def session(place: Place) -> FixSession:
    """A listener that is up and asks for what it missed."""
    make_trade_key(place.account, purpose="fix_rt", key_id=KEY_ID, fingerprint="7" * 64, scopes=["read"], label="Ears")
    row = make_session(
        place.account, "rt", is_listener=True, is_wanted=True, state="recovering", state_since=NOON, next_in=5, gap_to=9
    )
    make_session(place.account, "dc", is_wanted=True, state="logged_on")
    store(row, logon(), is_outgoing=True)
    store(row, report("4;7"), report("4;8"))
    return row


def browser_of(place: Place, *roles: str) -> Client:
    return client_of(make_person(place.desk, *roles))


def page(browser: Client, name: str, *args: Any, **query: str) -> str:
    answer = browser.get(reverse(name, args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def whole(answer: Any) -> str:
    """The text of an answer that is streamed to an ASGI server."""

    async def read() -> str:
        return b"".join([part async for part in answer]).decode()

    return async_to_sync(read)()


def unsafe_forms(html: str) -> list[str]:
    """Addresses of the page's own POST forms, without those of the frame."""
    main = html.partition('<main class="main"')[2].partition("</main>")[0]
    return re.findall(r'method="post" action="([^"]+)"', main)


@pytest.mark.parametrize("role", Role)
def test_each_role_finds_its_own_controls_and_no_other(place: Place, session: FixSession, role: Role) -> None:
    browser = browser_of(place, role)
    message = session.messages.first()
    assert message is not None
    html = [page(browser, name, day="2026-11-21") for name in PAGES]
    html += [page(browser, "fix_session", session.pk), page(browser, "fix_message", message.pk)]

    forms = {form for one in html for form in unsafe_forms(one)}

    acts = {f"/fix/sessions/{session.pk}/{name}/" for name in ACTS if name != "start"}
    mine: set[str] = set()
    if role is Role.OPERATOR:
        mine |= acts | {"/fix/define/", "/fix/drop-copy/recover/", "/fix/routes/set/"}
    if Permission.DESK_EXPORT in ROLE_PERMISSIONS[role]:
        mine |= {"/fix/messages/export/", "/fix/live/record/"}
    assert forms == mine
    assert (role is Role.OPERATOR) == bool(ROLE_PERMISSIONS[role] & FIX_ACTS)
    everything = "".join(html)
    assert "c2VjcmV0" not in everything
    assert "hunter2" not in everything
    assert (KEY_ID in everything) == (Permission.VAULT_VIEW in ROLE_PERMISSIONS[role])


@pytest.mark.parametrize("name", ACTS)
def test_an_act_asks_for_a_reason_and_says_what_came_of_it(place: Place, session: FixSession, name: str) -> None:
    browser = browser_of(place, "operator")
    if name == "logon":
        FixSession.objects.filter(pk=session.pk).update(state="waiting")
    url = reverse(f"fix_session_{name}", args=[session.pk])

    refused = browser.post(url, {"why": ""}, follow=True)
    assert "Nothing was done: Say why" in refused.content.decode()
    done = browser.post(url, {"why": WHY}, follow=True).content.decode()

    assert "Nothing was done" not in done
    entries = AuditEntry.objects.filter(action__startswith="fix.session.", target=f"fix_session:{session.pk}")
    assert [entry.data["why"] for entry in entries] == [WHY]


@pytest.mark.parametrize("name", ACTS)
def test_a_viewers_crafted_request_changes_nothing(place: Place, session: FixSession, name: str) -> None:
    before = FixSession.objects.filter(pk=session.pk).values().get()

    answer = browser_of(place, "viewer").post(reverse(f"fix_session_{name}", args=[session.pk]), {"why": WHY})

    assert answer.status_code == 403
    assert FixSession.objects.filter(pk=session.pk).values().get() == before
    assert FixAsk.objects.count() == 0


def test_a_reset_and_a_changed_session_ask_again_who_is_there(place: Place, session: FixSession) -> None:
    browser = client_of(make_person(place.desk, "operator"), is_fresh=False)
    given = {"account": str(place.account.pk), "kind": "pt", "heartbeat": "30", "why": WHY}

    for url in (reverse("fix_session_reset", args=[session.pk]), reverse("fix_define")):
        answer = browser.post(url, given)
        assert answer.status_code == 302
        assert "reauthenticate" in answer["Location"]
    session.refresh_from_db()
    assert not session.is_reset_wanted
    assert not FixSession.objects.filter(kind="pt").exists()


def test_the_words_of_a_reset_differ_by_what_the_exchange_keeps(place: Place) -> None:
    kept = console.reset_words(FixSession(account=place.account, kind="rt"))
    gone = console.reset_words(FixSession(account=place.account, kind="nr"))

    assert "cannot be asked for by ResendRequest" in kept
    assert "requires 141=Y at every logon" in gone
    operator = actor_of(make_person(place.desk, "operator"))
    session = make_session(place.account, "nr", cancel_on_disconnect=True)
    words = {act["name"]: act["words"] for act in acts_for(operator, session)}
    assert "cancels all its resting orders" in words["stop"]
    assert gone == words["reset"]


@pytest.mark.parametrize(
    ("state", "text", "word"),
    [
        ("halted", "There is no working key", "Vault"),
        ("halted", "Stopped after 5 attempts", "press Log on"),
        ("waiting", "The exchange says that this key is connected already.", "another program"),
        ("waiting", "No connection.", "by itself"),
        ("planned", "", "Planned"),
        ("recovering", "", "Missing messages"),
        ("stopped", "", "gateway"),
    ],
)
def test_what_is_not_well_says_what_to_do(place: Place, state: str, text: str, word: str) -> None:
    if "working key" not in text:
        make_trade_key(place.account, purpose="fix_rt", key_id=KEY_ID, fingerprint="7" * 64)
    row = make_session(place.account, "rt", is_wanted=True, state=state, state_text=text)

    assert word in console.session_rows([place.account.pk])[row.pk]["advice"]


def test_live_rows_name_no_key(place: Place, session: FixSession) -> None:
    FixSession.objects.update(state_text=f"key {KEY_ID} is connected already")
    frame = ports.topics["fix"].state
    assert frame is not None
    rows = frame(TopicName("fix", str(place.account.pk)))

    assert KEY_ID not in str(rows)
    assert rows is not None
    assert rows["all"] is True
    row = rows["rows"][f"session:{session.pk}"]
    assert (row["state"], row["gap_to"], row["has_key"]) == ("recovering", 9, True)


def test_there_is_no_socket_command_of_fix() -> None:
    """Acts are forms: a socket has nothing of FIX that a viewer could try."""
    assert [name for name in ports.commands if name.startswith("fix")] == []
    assert {ports.topics[kind].permission for kind in ("fix", "fixwall")} == {Permission.DESK_VIEW}


def test_a_session_is_defined_on_the_page_and_bad_flags_are_refused_in_words(place: Place) -> None:
    browser = browser_of(place, "operator")
    given = {"account": str(place.account.pk), "kind": "dc", "heartbeat": "30", "use_dollars": "on"}

    refused = browser.post(reverse("fix_define"), given | {"is_listener": "on"}, follow=True).content.decode()
    assert "no listener mode" in refused
    assert FixSession.objects.count() == 0
    browser.post(reverse("fix_define"), given)
    row = FixSession.objects.get()
    assert (row.kind, row.use_dollars, row.is_listener, row.is_wanted) == ("dc", True, False, False)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"since": "range", "begin": "", "why": WHY}, "Name the ExecID"),
        ({"since": "range", "begin": "4", "why": WHY}, "This is no range"),
        ({"since": "range", "begin": "-1;-1", "why": WHY}, "stands for no report"),
        ({"since": "range", "begin": "4;9", "end": "4;8", "why": WHY}, "before it begins"),
        ({"since": "last", "why": WHY}, "No execution report was seen"),
        ({"since": "window", "why": WHY}, "in the last three hours"),
    ],
)
def test_a_range_that_is_none_is_refused_in_words(
    place: Place, session: FixSession, typed: dict[str, str], words: str
) -> None:
    answer = browser_of(place, "operator").post(
        reverse("fix_recover"), {"account": str(place.account.pk)} | typed, follow=True
    )

    assert words in answer.content.decode()
    assert FixRecovery.objects.count() == 0


def test_recovering_since_last_seen_and_within_the_window(place: Place, session: FixSession) -> None:
    for second, hours in ((7, 4), (9, 1), (10, 0)):
        seen_at = utc_now() - timedelta(hours=hours)
        FixExecution.objects.create(
            account=place.account, first=4, second=second, digest="d", order_id="o", seen_at=seen_at, source="rt"
        )
    browser, url = browser_of(place, "operator"), reverse("fix_recover")
    given = {"account": str(place.account.pk), "why": WHY}

    browser.post(url, given | {"since": "last"})
    FixRecovery.objects.update(state="complete", received=3, new=1)
    browser.post(url, given | {"since": "window"})

    assert list(FixRecovery.objects.order_by("pk").values_list("begin", "end")) == [("4;10", ""), ("4;9", "")]
    rows = list(console.recovery_rows([place.account.pk]).values())
    assert (rows[1]["received"], rows[1]["new"], rows[1]["doubled"]) == (3, 1, 2)


@pytest.mark.parametrize("form", ["csv", "raw"])
def test_an_export_is_what_was_filtered_and_on_the_trail(place: Place, session: FixSession, form: str) -> None:
    browser = browser_of(place, "analyst")
    answer = browser.post(reverse("fix_messages_export"), {"format": form, "type": "8", "session": str(session.pk)})
    text = whole(answer)

    assert len(text.splitlines()) == (3 if form == "csv" else 2)
    assert KEY_ID not in text
    entry = AuditEntry.objects.get(action="fix.messages.exported")
    assert (entry.data["format"], entry.data["rows"], entry.data["type"]) == (form, 2, "8")


def test_a_filter_that_cannot_be_read_keeps_what_was_typed(place: Place) -> None:
    answer = browser_of(place, "viewer").get(reverse("fix_messages"), {"from": "noon", "id": "o-1"})

    assert answer.status_code == 422
    assert 'value="noon"' in answer.content.decode()
    assert 'value="o-1"' in answer.content.decode()


def test_latencies_are_counted_from_an_orders_sending_to_its_first_report(place: Place) -> None:
    session = make_session(place.account, "nr")
    store(session, plain("D", (11, "c-1")), is_outgoing=True)
    store(session, report("4;7", _11="c-1", _52=None), at=NOON + timedelta(milliseconds=40))
    store(session, report("4;8", _11="c-1", _52=None), at=NOON + timedelta(milliseconds=900))

    found = console_latency.latencies(session)[0]

    assert (found.label, found.count, found.p50, found.p99) == ("Order sent to first report", 1, 40, 40)
    assert [bar["count"] for bar in found.bars if bar["count"]] == [1]


@pytest.mark.parametrize(
    ("values", "p50", "p99"), [([7], 7, 7), ([1, 2], 1, 2), (list(range(1, 101)), 50, 99), ([5, 1_000], 5, 1_000)]
)
def test_percentiles_are_values_that_occurred(values: list[int], p50: int, p99: int) -> None:
    found = console_latency.histogram("x", values)

    assert (found.p50, found.p99) == (p50, p99)
    assert [bar["count"] for bar in found.bars][-1] == (1 if 1_000 in values else 0)
    assert max(bar["share"] for bar in found.bars) == 100
