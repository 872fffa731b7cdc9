"""The live wall and the day's record: the listener's reports and nothing else, each once, for people who only look."""

import csv
from datetime import date, timedelta
from hashlib import sha256

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import NotAllowed, NotFound
from apps.core.permissions import ROLE_PERMISSIONS, Permission, Role
from apps.fix import console_wall
from apps.fix.console_feed import ConsoleFeed
from apps.fix.models import FixSession
from apps.vault.models import ApiKey
from tests.fix.console_desk import NOON, logon, make_session, plain, report, store, trade
from tests.orders.conftest import Place
from tests.support.people import actor_of, make_account, make_desk, make_person

DAY = date(2026, 11, 21)


@pytest.fixture
def listener(place: Place) -> FixSession:
    return make_session(place.account, "rt", is_listener=True)


def test_the_wall_needs_no_trading_key_and_shows_what_the_listener_brought_once(
    place: Place, listener: FixSession
) -> None:
    ApiKey.objects.all().delete()
    entry = make_session(place.account, "nr")
    store(entry, report("4;1"))
    store(listener, logon(), report("4;7"), trade("4;8"), report("-1;-1", _150="8"), report("-1;-1", _150="8"))
    store(listener, trade("4;8", _43="Y"), at=NOON + timedelta(minutes=1))
    store(listener, report("4;99"), is_outgoing=True)

    rows = console_wall.wall_rows(place.account.pk)

    assert [row["exec_id"] for row in rows] == ["-1;-1", "-1;-1", "4;8", "4;7"]
    filled = rows[2]
    assert (filled["what"], filled["status"], filled["side"]) == ("Trade", "Partially filled", "buy YES")
    assert (filled["last_count"], filled["last_price"], filled["remaining"]) == ("4.00", "0.5500", "6.00")


def test_a_report_that_cannot_be_read_is_shown_all_the_same(place: Place, listener: FixSession) -> None:
    store(listener, report("4;7", _54="7", _38="many"))
    [row] = console_wall.wall_rows(place.account.pk)

    assert (row["exec_id"], row["side"], row["count"]) == ("4;7", None, None)


def test_rows_are_told_once_and_what_falls_out_is_named(
    place: Place, listener: FixSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_wall, "SHOWN", 3)
    feed, topic = ConsoleFeed(), f"fixwall:{place.account.pk}"
    looked_at = frozenset({topic, f"fix:{place.account.pk}"})
    first = [one.pk for one in store(listener, *[report(f"4;{number}") for number in (1, 2, 3)])]
    told = {one.topic: one.rows for one in feed.look(looked_at)}

    assert list(told[topic]) == [str(pk) for pk in first[::-1]]
    assert f"session:{listener.pk}" in told[f"fix:{place.account.pk}"]
    assert feed.look(looked_at) == []
    second = [one.pk for one in store(listener, report("4;2", _43="Y"), report("4;4"), report("4;5"))]
    [change] = feed.look(looked_at)
    assert (change.topic, change.is_all) == (topic, False)
    rows = change.rows
    assert [key for key, row in rows.items() if row is None] == [str(pk) for pk in first[:2]]
    assert [key for key, row in rows.items() if row] == [str(second[2]), str(second[1])]


def test_a_changed_session_is_told_and_an_unchanged_one_is_not(place: Place, listener: FixSession) -> None:
    feed, topics = ConsoleFeed(), frozenset({f"fix:{place.account.pk}"})
    feed.look(topics)
    FixSession.objects.update(state="logged_on", next_in=5)

    [change] = feed.look(topics)

    assert change.topic in topics
    assert not change.is_all
    row = change.rows[f"session:{listener.pk}"]
    assert row is not None
    assert (row["state"], row["next_in"]) == ("logged_on", 5)


def test_the_record_of_a_day_is_the_trading_days_and_says_when_the_listener_was_away(
    place: Place, listener: FixSession
) -> None:
    store(listener, logon(), report("4;7"), trade("4;8"))
    store(listener, plain("5", (58, "bye")), at=NOON + timedelta(hours=1))
    store(listener, report("4;6"), at=NOON - timedelta(hours=12, seconds=1))  # 23:59:59 of the day before
    store(listener, report("4;9"), at=NOON + timedelta(hours=12))  # midnight of the next

    found = console_wall.day_record(place.viewer, place.account.pk, DAY)

    assert found.reports == 2
    assert (found.first, found.last) == (NOON + timedelta(seconds=1), NOON + timedelta(seconds=2))
    assert [words for _, words, _ in found.breaks] == ["logged on", "logged out"]


@pytest.mark.parametrize("role", Role)
def test_the_record_is_exported_by_those_who_may_export_and_its_hash_is_on_the_trail(
    place: Place, listener: FixSession, role: Role
) -> None:
    store(listener, logon(), report("4;7"), trade("4;8", _58="=cmd()"))
    actor = actor_of(make_person(place.desk, role))
    if Permission.DESK_EXPORT not in ROLE_PERMISSIONS[role]:
        with pytest.raises(NotAllowed):
            console_wall.record_export(actor, place.account.pk, DAY)
        assert not AuditEntry.objects.filter(action="fix.record.exported").exists()
        return

    text = "".join(console_wall.record_export(actor, place.account.pk, DAY))

    rows = list(csv.DictReader(text.splitlines()))
    assert [row["exec_id"] for row in rows] == ["", "4;7", "4;8"]
    assert {len(row) for row in csv.reader(text.splitlines())} == {len(console_wall.RECORD_COLUMNS)}
    assert (rows[2]["last_count"], rows[2]["remaining"], rows[2]["text"]) == ("4.00", "6.00", "'=cmd()")
    assert "c2VjcmV0" not in text
    entry = AuditEntry.objects.get(action="fix.record.exported")
    assert entry.data == {"day": "2026-11-21", "rows": 3, "sha256": sha256(text.encode()).hexdigest()}


def test_another_desks_record_does_not_exist(place: Place, listener: FixSession) -> None:
    stranger = actor_of(make_person(make_desk(), "auditor"))
    with pytest.raises(NotFound):
        console_wall.day_record(stranger, place.account.pk, DAY)
    with pytest.raises(NotFound):
        console_wall.record_export(stranger, place.account.pk, DAY)
    assert console_wall.listeners_of(stranger) == []


def test_accounts_do_not_mix(place: Place, listener: FixSession) -> None:
    other = make_account(place.desk)
    store(make_session(other, "rt", is_listener=True), report("4;7"))

    assert console_wall.wall_rows(place.account.pk) == []
    assert len(console_wall.wall_rows(other.pk)) == 1
