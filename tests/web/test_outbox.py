import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.web.outbox import Frame, Outbox


def rows(version: int, changed: dict[str, Any], *, is_all: bool = False) -> Frame:
    value: dict[str, Any] = {"rows": changed}
    if is_all:
        value["all"] = True
    return Frame.of("orders:1", version, value, "rows")


def book(version: int, value: str) -> Frame:
    return Frame.of("book:paper:T", version, value, "whole")


def taken(outbox: Outbox) -> list[dict[str, Any]]:
    return [json.loads(text) for text in outbox.take()]


def test_the_newest_whole_frame_replaces_the_pending_one():
    outbox = Outbox()

    for version, value in ((1, "a"), (3, "c"), (2, "b")):
        outbox.put(book(version, value))

    assert taken(outbox) == [{"topic": "book:paper:T", "v": 3, "d": "c"}]
    assert taken(outbox) == []


def test_rows_of_pending_frames_merge_by_key_and_version():
    outbox = Outbox()

    outbox.put(rows(10, {"a": {"v": 1}, "b": {"v": 5}}))
    outbox.put(rows(11, {"a": {"v": 2}, "b": {"v": 4}, "c": {"v": 1}}))
    outbox.put(rows(12, {"c": None}))

    assert taken(outbox) == [
        {"topic": "orders:1", "v": 12, "d": {"rows": {"a": {"v": 2}, "b": {"v": 5}, "c": None}}},
    ]


def test_frames_that_come_while_the_state_is_read_are_merged_over_it():
    outbox = Outbox()
    outbox.hold("orders:1")
    outbox.put(rows(21, {"a": {"v": 3}, "gone": None}))
    assert taken(outbox) == []

    outbox.release("orders:1", rows(20, {"a": {"v": 2}, "b": {"v": 1}, "gone": {"v": 9}}, is_all=True))

    assert taken(outbox) == [
        {"topic": "orders:1", "v": 21, "d": {"rows": {"a": {"v": 3}, "b": {"v": 1}}, "all": True}},
    ]


def test_a_state_older_than_what_came_meanwhile_does_not_win():
    outbox = Outbox()
    outbox.hold("book:paper:T")
    outbox.put(book(8, "newer"))

    outbox.release("book:paper:T", book(7, "state"))

    assert taken(outbox) == [{"topic": "book:paper:T", "v": 8, "d": "newer"}]


def test_a_topic_left_while_its_state_is_read_stays_silent():
    outbox = Outbox()
    outbox.hold("book:paper:T")
    outbox.forget("book:paper:T")

    outbox.release("book:paper:T", book(7, "state"))

    assert taken(outbox) == []


_changes = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.one_of(st.none(), st.just("set")), min_size=1), min_size=1, max_size=12
)


@given(changes=_changes, cuts=st.sets(st.integers(0, 12)))
def test_whatever_a_browser_skips_it_ends_with_the_same_rows(changes: list[dict[str, Any]], cuts: set[int]):
    outbox, truth, shown = Outbox(), {}, {}
    outbox.put(rows(0, {"a": {"v": 0}}, is_all=True))
    truth = {"a": {"v": 0}}
    for version, change in enumerate(changes, start=1):
        frame = {key: None if what is None else {"v": version} for key, what in change.items()}
        truth = {key: row for key, row in {**truth, **frame}.items() if row is not None}
        outbox.put(rows(version, frame))
        if version in cuts:
            shown = apply(shown, taken(outbox))

    assert apply(shown, taken(outbox)) == truth


def apply(shown: dict[str, Any], frames: list[dict[str, Any]]) -> dict[str, Any]:
    for frame in frames:
        if frame["d"].get("all"):
            shown = {}
        shown = {key: row for key, row in {**shown, **frame["d"]["rows"]}.items() if row is not None}
    return shown
