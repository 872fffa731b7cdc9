"""Whoever sees one subaccount of an account gets its rows of the account's frames, and no others."""

from typing import Any

import msgspec
import pytest

from apps.accounts.grant_changes import grants_change
from apps.core import ports
from apps.core.permissions import Grant, Within
from apps.core.topics import TopicName
from apps.web.checks import Asked, judge, may_watch, numbers_of
from apps.web.outbox import Frame
from apps.web.sieve import Sieve
from tests.support.people import actor_of, client_of, make_account, make_desk, make_person

TOPIC = "orders:7"


def rows_of(frame: Frame | None) -> dict[str, Any]:
    return {} if frame is None else msgspec.json.decode(frame.data)["rows"]


def rows_frame(rows: dict[str, Any], *, is_all: bool = False, topic: str = TOPIC) -> Frame:
    return Frame.of(topic, 1, {"rows": rows, "all": True} if is_all else {"rows": rows}, "rows")


def order(subaccount: int | None, v: int = 1) -> dict[str, Any]:
    return {"v": v, "subaccount": subaccount, "count": "1.00"}


@pytest.fixture
def sieve() -> Sieve:
    made = Sieve()
    made.keep_to(TOPIC, frozenset({2}))
    return made


def test_rows_of_other_subaccounts_do_not_pass(sieve: Sieve) -> None:
    frame = rows_frame({"a": order(2), "b": order(1), "c": order(None), "d": {"v": 1}}, is_all=True)

    passed = sieve(frame)

    assert rows_of(passed) == {"a": order(2)}
    assert passed is not None
    assert msgspec.json.decode(passed.data)["all"] is True
    assert rows_of(frame).keys() == {"a", "b", "c", "d"}  # others get theirs from the same frame


def test_that_a_row_of_others_went_is_not_told(sieve: Sieve) -> None:
    sieve(rows_frame({"a": order(2), "b": order(1)}))

    assert sieve(rows_frame({"b": order(1, v=2)})) is None
    assert sieve(rows_frame({"b": None})) is None
    assert rows_of(sieve(rows_frame({"a": None, "b": None}))) == {"a": None}
    assert sieve(rows_frame({"a": None})) is None


def test_a_row_that_came_while_the_state_was_read_is_told_to_go(sieve: Sieve) -> None:
    sieve(rows_frame({"new": order(2)}))
    sieve(rows_frame({"old": order(2)}, is_all=True))  # read before the new one was there; both are shown

    assert rows_of(sieve(rows_frame({"new": None}))) == {"new": None}


def test_an_empty_state_is_still_a_state(sieve: Sieve) -> None:
    assert sieve(rows_frame({"b": order(1)}, is_all=True)) is not None


def test_a_whole_frame_keeps_its_parts(sieve: Sieve) -> None:
    sieve.keep_to("balance:7", frozenset({0, 2}))
    frame = Frame.of(
        "balance:7", 1, {"subaccounts": {"0": {"cash": "1"}, "2": {}, "3": {"cash": "9"}}, "x": 1}, "whole"
    )

    passed = sieve(frame)

    assert passed is not None
    assert msgspec.json.decode(passed.data) == {"subaccounts": {"0": {"cash": "1"}, "2": {}}}


def test_everybody_else_gets_the_frame_itself(sieve: Sieve) -> None:
    other = rows_frame({"b": order(1)}, topic="orders:8")
    whole = Frame.of("status:paper", 1, {"exchange_active": True}, "whole")

    assert sieve(other) is other
    assert sieve(whole) is whole
    sieve.keep_to(TOPIC, None)
    frame = rows_frame({"b": order(1)})
    assert sieve(frame) is frame


@pytest.mark.django_db
def test_a_check_finds_that_somebody_sees_other_subaccounts_now() -> None:
    desk = make_desk()
    account, person = make_account(desk), make_person(desk)
    name = TopicName("orders", str(account.pk))
    grants_change(desk, user_id=person.pk, add=[Grant("viewer", account.pk, 2)])
    key = client_of(person).session.session_key or ""
    asked = Asked(person.pk, key, (str(name),), {str(name): frozenset({2})})

    [same] = judge([asked])
    grants_change(desk, user_id=person.pk, add=[Grant("trader", account.pk, 5)])
    [wider] = judge([asked])
    grants_change(desk, user_id=person.pk, add=[Grant("viewer", account.pk)])
    [whole] = judge([asked])
    grants_change(
        desk,
        user_id=person.pk,
        remove=[Grant("viewer", account.pk), Grant("viewer", account.pk, 2), Grant("trader", account.pk, 5)],
        add=[Grant("viewer", make_account(desk).pk)],
    )
    [gone] = judge([asked])

    assert (same.lost, same.is_other) == ((), False)
    assert (wider.is_other, wider.is_less) == (True, False)
    assert (whole.is_other, whole.is_less) == (True, False)
    assert (gone.lost, gone.is_less) == ((str(name),), True)


PARTED = sorted(kind for kind, topic in ports.topics.items() if topic.within is Within.SUBACCOUNT)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", PARTED)
def test_a_topic_that_parts_its_rows_is_open_to_part_of_them(kind: str) -> None:
    desk = make_desk()
    account, other, person = make_account(desk), make_account(desk), make_person(desk)
    grants_change(desk, user_id=person.pk, add=[Grant("trader", account.pk, 2), Grant("viewer", account.pk, 4)])
    actor, viewer = actor_of(person), actor_of(make_person(desk, "viewer"))
    name = TopicName(kind, str(account.pk))

    assert may_watch(actor, name)
    assert numbers_of(actor, name) == {2, 4}
    assert not may_watch(actor, TopicName(kind, str(other.pk)))
    assert numbers_of(viewer, name) is None
