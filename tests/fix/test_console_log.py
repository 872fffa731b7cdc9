"""The message log: what a filter says, whose messages, no secret, pages that hold, and one order over all sessions."""

from datetime import timedelta

import pytest

from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Actor
from apps.fix import console_log
from apps.fix.console_veil import HIDDEN_KEY, Veil, decoded
from apps.fix.models import FixMessage, FixSession
from tests.fix.console_desk import KEY_ID, NOON, logon, make_session, plain, report, store, trade
from tests.orders.conftest import Place, make_trade_key
from tests.support.people import actor_of, make_account, make_desk, make_person

SECRETS = ("c2VjcmV0", "hunter2")


@pytest.fixture
def viewer(place: Place) -> Actor:
    return place.viewer


@pytest.fixture
def auditor(place: Place) -> Actor:
    return actor_of(make_person(place.desk, "auditor"))


@pytest.fixture
def session(place: Place) -> FixSession:
    return make_session(place.account, is_listener=True)


def ids(actor: Actor, **typed: str) -> list[int]:
    return [row.id for row in console_log.log_page(actor, console_log.choice_from(actor, typed)).rows]


def test_a_logon_is_read_tag_by_tag_and_its_secrets_by_nobody(
    place: Place, session: FixSession, viewer: Actor, auditor: Actor
) -> None:
    [message] = store(session, logon(), is_outgoing=True)
    for actor in (viewer, auditor):
        veil = Veil.of(actor)
        rows = {row.tag: row for row in decoded(message, veil)}
        assert (rows[35].name, rows[35].meaning) == ("MsgType", "Logon")
        assert (rows[108].name, rows[108].value) == ("HeartBtInt", "30")
        everything = veil.raw(message) + "".join(console_log.csv_values(message, veil)) + str(rows)
        assert not [secret for secret in SECRETS if secret in everything]


def test_a_row_that_was_stored_with_a_secret_shows_none_either(session: FixSession, auditor: Actor) -> None:
    message = FixMessage.objects.create(
        session=session,
        is_outgoing=True,
        seq=1,
        msg_type="A",
        at=NOON,
        fields=[[35, "A"], [96, "c2VjcmV0"], [554, "x"]],
    )
    values = {row.tag: row.value for row in decoded(message, Veil.of(auditor))}

    assert values[96] == values[554] == "<redacted>"
    assert "c2VjcmV0" not in Veil.of(auditor).raw(message)


def test_key_ids_are_for_those_who_may_see_the_vault(
    place: Place, session: FixSession, viewer: Actor, auditor: Actor
) -> None:
    make_trade_key(place.account, purpose="fix_rt", key_id=KEY_ID, fingerprint="7" * 64)
    [message] = store(session, plain("5", (58, f"session of {KEY_ID} exists already")), is_outgoing=True)

    assert KEY_ID not in Veil.of(viewer).raw(message)
    assert HIDDEN_KEY in Veil.of(viewer).raw(message)
    assert "56=KalshiRT" in Veil.of(viewer).raw(message)
    assert KEY_ID not in console_log.log_row(message, Veil.of(viewer)).text
    assert Veil.of(auditor).raw(message).count(KEY_ID) == 2
    assert ids(auditor, tag=f"49={KEY_ID}") == [message.pk]
    with pytest.raises(DeskError, match="holds keys"):
        console_log.choice_from(viewer, {"tag": f"49={KEY_ID}"})
    with pytest.raises(DeskError, match="holds keys"):
        console_log.choice_from(auditor, {"tag": "96=c2VjcmV0"})


def test_each_filter_says_what_it_says(session: FixSession, viewer: Actor) -> None:
    new, filled = store(session, report("4;7"), trade("4;8", _37="o-2", _11="c-2", _58="caffè"))
    [sent] = store(session, plain("1", (112, "T1")), at=NOON + timedelta(hours=1), is_outgoing=True)

    assert ids(viewer) == [sent.pk, filled.pk, new.pk]
    assert ids(viewer, type="8") == [filled.pk, new.pk]
    assert ids(viewer, way="out") == [sent.pk]
    assert ids(viewer, id="o-2") == ids(viewer, id="c-2") == ids(viewer, id="4;8") == [filled.pk]
    assert ids(viewer, tag="150=F") == ids(viewer, tag=" 58 = caffè ") == [filled.pk]
    assert ids(viewer, tag="150=f") == ids(viewer, tag="15=F") == []
    assert ids(viewer, **{"from": "2026-11-21 17:30"}) == [sent.pk]
    assert ids(viewer, to="2026-11-21T17:00:00Z") == [new.pk]
    assert ids(viewer, session=str(session.pk), account=str(session.account_id)) == [sent.pk, filled.pk, new.pk]


@pytest.mark.parametrize(
    "typed",
    [{"from": "noon"}, {"to": "2026-13-01"}, {"tag": "x"}, {"tag": "0=1"}, {"from": "2026-11-22", "to": "2026-11-21"}],
)
def test_what_cannot_be_read_is_said_at_its_field(viewer: Actor, typed: dict[str, str]) -> None:
    with pytest.raises(DeskError) as refusal:
        console_log.choice_from(viewer, typed)
    assert set(refusal.value.fields) <= set(typed)
    assert refusal.value.fields


def test_a_choice_comes_back_from_its_own_address(session: FixSession, viewer: Actor) -> None:
    typed = {"session": str(session.pk), "type": "8", "way": "in", "from": "2026-11-21", "id": "o-1", "tag": "39=2"}
    choice = console_log.choice_from(viewer, typed)

    assert console_log.choice_from(viewer, choice.values()) == choice


def test_another_desks_messages_do_not_exist(place: Place, session: FixSession) -> None:
    [message] = store(session, report())
    stranger = actor_of(make_person(make_desk(), "viewer", "auditor", "operator"))

    assert ids(stranger) == []
    assert console_log.trace(stranger, "o-1") == []
    with pytest.raises(NotFound):
        console_log.message_get(stranger, message.pk)
    for name, pk in (("session", session.pk), ("account", place.account.pk)):
        with pytest.raises(NotFound):
            console_log.choice_from(stranger, {name: str(pk)})


def test_pages_hold_while_the_log_grows(session: FixSession, viewer: Actor) -> None:
    every = [one.pk for one in store(session, *[report(f"4;{number}", _34=str(number)) for number in range(1, 8)])]
    choice = console_log.LogChoice()
    first = console_log.log_page(viewer, choice, count=3)
    store(session, report("4;99"))
    second = console_log.log_page(viewer, choice, before=first.next, count=3)
    third = console_log.log_page(viewer, choice, before=second.next, count=3)

    assert [row.id for page in (first, second, third) for row in page.rows] == every[::-1]
    assert third.next is None


def test_a_line_says_what_a_message_says(session: FixSession, viewer: Actor) -> None:
    messages = store(
        session, report("4;7"), trade("4;8"), plain("j", (45, "3"), (372, "D"), (380, "8"), (58, "slow down"))
    )
    veil = Veil.of(viewer)
    rows = [console_log.log_row(message, veil) for message in messages]

    assert rows[0].what == "New: Buy yes 10.00 KXHIGHNY-26NOV22-T60 at 0.5600"
    assert rows[1].what.startswith("Trade, Partially filled: Buy yes 10.00 ")
    assert rows[1].what.endswith(" at 0.5600, 4.00 at 0.5500")
    assert (rows[2].name, rows[2].text) == ("BusinessMessageReject", "slow down")
    assert "imit" in rows[2].what
    assert (rows[0].delta_ms, rows[2].delta_ms) == (5 * 3_600_000, 2_000)


def test_an_order_is_traced_over_sessions_and_through_what_replaced_it(place: Place, viewer: Actor) -> None:
    entry, listener = make_session(place.account, "nr"), make_session(place.account, "rt", is_listener=True)
    other = make_session(make_account(place.desk), "rt")
    asked = store(entry, plain("D", (11, "c-1"), (55, "KX")), is_outgoing=True)
    told = store(listener, report("4;7", _37="o-1", _11="c-1"), at=NOON + timedelta(seconds=1))
    change = store(entry, plain("G", (11, "c-2"), (41, "c-1")), at=NOON + timedelta(seconds=2), is_outgoing=True)
    replaced = store(listener, report("4;9", _37="o-1", _11="c-2", _41="c-1"), at=NOON + timedelta(seconds=3))
    store(other, report("5;1", _37="o-9", _11="c-9"))

    for ident in ("o-1", "c-1", "c-2"):
        rows = console_log.trace(viewer, ident)
        assert [row.id for row in rows] == [one.pk for one in (*asked, *told, *change, *replaced)], ident
    assert len({row.session_id for row in rows}) == 2


def test_a_quote_is_traced_by_its_ids(place: Place, viewer: Actor) -> None:
    session = make_session(place.account, "rfq")
    request = store(session, plain("R", (131, "r-1"), (55, "KX")))
    quote = store(session, plain("S", (117, "q-1"), (131, "r-1")), is_outgoing=True)

    assert [row.id for row in console_log.trace(viewer, "q-1")] == [one.pk for one in (*request, *quote)]


def test_two_messages_side_by_side(session: FixSession, viewer: Actor) -> None:
    one, other = store(session, report("4;7"), report("4;8", _39="2", _38=None))
    rows = {row["tag"]: row for row in console_log.compare(one, other, Veil.of(viewer))}

    assert rows[55]["differs"] is False
    assert (rows[39]["one"], rows[39]["other"], rows[39]["differs"]) == ("0 (New)", "2 (Filled)", True)
    assert (rows[38]["other"], rows[38]["differs"]) == ("", True)


def test_a_raw_export_is_a_line_a_message_whatever_the_exchange_writes(session: FixSession, viewer: Actor) -> None:
    store(session, report("4;7", _58="first\nsecond\r8=FIX"), report("4;8"))
    lines = list(console_log.raw_lines(console_log.log_messages(viewer, console_log.LogChoice()), Veil.of(viewer)))

    assert len(lines) == 2
    assert [line.count("\n") for line in lines] == [1, 1]
    assert "\x01150=0\x01" in lines[0]


def test_a_sent_message_is_shown_as_it_left(place: Place, session: FixSession, auditor: Actor) -> None:
    [message] = store(session, plain("1", (112, "T1")), is_outgoing=True)
    raw = Veil.of(auditor).raw(message, separator="|")

    assert raw.startswith("8=FIXT.1.1|9=")
    assert raw.rpartition("|10=")[2].rstrip("|").isdigit()
