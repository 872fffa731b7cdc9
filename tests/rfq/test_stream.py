"""The incoming stream: bounded, filtered on the server, shown to those who look, and read anew after a restart."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core import ports
from apps.core.errors import DeskError
from apps.core.ports import FeedContext
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange.selectors import FeedState
from apps.exchange.wire.schemas import ws
from apps.paper.testing import LINEAR
from apps.rfq.events.incoming import incoming_of, incoming_topic
from apps.rfq.models import IncomingRfq, StreamFilter, StreamMinute
from apps.rfq.services import fair, filters, stream, stream_publish
from apps.rfq.services.fair import Touch, Touches
from apps.rfq.services.filters import Criteria, Known, criteria_from, is_wanted
from apps.rfq.services.incoming import incoming_keep
from apps.rfq.services.stream import Arrivals, Board, Snapshot, stream_read
from apps.rfq.services.stream_publish import StreamPublisher
from tests.rfq.scene import RFQS, Scene, post

NOW = utc_now().replace(second=10, microsecond=0)
CONTEXT = FeedContext(5, "paper", to_unix_ms(NOW))
Look = Callable[..., dict[str, Any]]


def created(rfq_id: str, ticker: str = LINEAR, **over: Any) -> ws.RfqCreated:
    return ws.RfqCreated(**({"id": rfq_id, "market_ticker": ticker, "contracts_fp": "100.00"} | over))


def deleted(rfq_id: str) -> ws.RfqDeleted:
    return ws.RfqDeleted(id=rfq_id, market_ticker=LINEAR)


def combo(rfq_id: str, *legs: str) -> ws.RfqCreated:
    chosen = [ws.ComboLeg(event_ticker=leg.rpartition("-")[0], market_ticker=leg, side="yes") for leg in legs]
    return created(
        rfq_id,
        "KXCOMBO-1",
        contracts_fp=None,
        target_cost_dollars="250.00",
        mve_selected_legs=chosen,
        mve_collection_ticker="KXMVE",
    )


# --- the board ---------------------------------------------------------------------------------------


def test_the_board_holds_what_is_live_in_order_and_each_once() -> None:
    arrivals, board = Arrivals(), Board()
    arrivals.created(CONTEXT, [created("a"), created("b"), created("a")])
    arrivals.deleted(CONTEXT, [deleted("b")])
    fresh, gone = board.apply(arrivals.take()["paper"])

    assert [entry.report.rfq_id for entry in fresh] == ["a"]
    assert (list(board.entries), gone, board.seen) == (["a"], {"b"}, 2)
    assert arrivals.take() == {}


def test_nothing_grows_without_bound_and_what_is_lost_is_counted() -> None:
    arrivals, board = Arrivals(waiting=300), Board(capacity=100)
    for start in range(0, 5_000, 50):
        arrivals.created(CONTEXT, [created(f"r{number}") for number in range(start, start + 50)])
        if start % 1_000 == 0:
            board.apply(arrivals.take()["paper"])
    waiting = arrivals.take()["paper"]
    assert len(waiting.created) == 300
    board.apply(waiting)

    assert len(board.entries) == 100
    assert next(reversed(board.entries)) == "r4999"
    assert board.seen + waiting.dropped >= 5_000 - 3_000
    assert board.dropped >= waiting.dropped + 200


def test_a_listing_adds_what_was_missed_and_ends_what_is_over() -> None:
    arrivals, board = Arrivals(), Board()
    arrivals.created(CONTEXT, [created("over"), created("still")])
    board.apply(arrivals.take()["paper"])
    later = CONTEXT.recv_ms + 1_000
    known = [stream.reports.rfq_from_ws(created(one)) for one in ("missed", "still")]
    arrivals.created(FeedContext(5, "paper", later + 5), [created("newer")])
    arrivals.listed("paper", Snapshot(known, later, is_whole=True))
    _, gone = board.apply(arrivals.take()["paper"])

    assert set(board.entries) == {"still", "newer", "missed"}
    assert gone == {"over"}


def test_a_listing_that_was_cut_off_ends_nothing() -> None:
    arrivals, board = Arrivals(), Board()
    arrivals.created(CONTEXT, [created("old")])
    arrivals.listed("paper", Snapshot([], CONTEXT.recv_ms + 1_000, is_whole=False))
    board.apply(arrivals.take()["paper"])

    assert list(board.entries) == ["old"]


# --- filters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criteria", "shown"),
    [
        ({}, {"one", "two", "big"}),
        ({"combos": "only"}, {"two"}),
        ({"combos": "none"}, {"one", "big"}),
        ({"max_legs": 1}, {"one", "big"}),
        ({"series": ["KXNBA"]}, {"two"}),
        ({"collections": ["KXMVE"]}, {"two"}),
        ({"min_contracts": "500"}, {"two", "big"}),
        ({"max_contracts": "500"}, {"one", "two"}),
        ({"max_cost": "100"}, {"one", "big"}),
        ({"min_cost": "100", "max_cost": "300"}, {"one", "two", "big"}),
        ({"text": "kxcombo"}, {"two"}),
        ({"with_fair": True}, set()),
        ({"quoted_before": True}, set()),
        ({"closes_within_s": 60}, set()),
        ({"categories": ["Sports"]}, set()),
    ],
)
def test_a_filter_shows_what_it_says(criteria: dict[str, Any], shown: set[str]) -> None:
    messages = [created("one"), combo("two", "KXNBA-A-X", "KXNFL-B-Y"), created("big", contracts_fp="5000")]
    read = criteria_from(criteria)

    found = {
        message.id for message in messages if is_wanted(read, stream.reports.rfq_from_ws(message), Known(), now=NOW)
    }
    assert found == shown
    assert criteria_from(filters.as_json(read)) == read


def test_what_is_known_of_the_market_passes_the_filters_that_ask_for_it() -> None:
    report = stream.reports.rfq_from_ws(created("one"))
    known = Known("Weather", "Rain in Oslo", NOW + timedelta(seconds=30), has_fair=True, is_quoted_before=True)
    wants = Criteria(
        categories=frozenset({"Weather"}), closes_within_s=60, with_fair=True, quoted_before=True, text="oslo"
    )

    assert is_wanted(wants, report, known, now=NOW)
    assert not is_wanted(wants, report, known, now=NOW + timedelta(seconds=31))


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"max_legs": -1}, "max_legs"),
        ({"max_legs": True}, "max_legs"),
        ({"min_contracts": 5}, "min_contracts"),
        ({"min_contracts": "-5"}, "min_contracts"),
        ({"min_cost": "9", "max_cost": "8"}, "min_cost"),
        ({"combos": "some"}, "combos"),
        ({"series": "KXNBA"}, "series"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_filter_that_cannot_be_read_says_which_field(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(DeskError) as refused:
        criteria_from(raw)
    assert field in refused.value.fields


# --- what people see ---------------------------------------------------------------------------------


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The topics that somebody looks at."""
    topics: set[str] = set()
    monkeypatch.setattr(stream_publish, "interesting_names", lambda kind, **_: set(topics))
    return topics


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}

    def publish(publications: list[tuple[str, int, dict[str, Any]]]) -> bool:
        out.update({topic: frame for topic, _, frame in publications})
        return True

    monkeypatch.setattr(stream_publish.live, "publish_many", publish)
    monkeypatch.setattr(stream_publish.live, "state_forget", lambda topics: True)
    return out


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> dict[str, Touch]:
    """The live prices."""
    touches: dict[str, Touch] = {LINEAR: Touch(Decimal("0.40"), Decimal("0.44"))}
    feed = FeedState("live", "", to_unix_ms(NOW))
    monkeypatch.setattr(fair, "touches_of", lambda environment, tickers: Touches(feed, touches))
    return touches


@pytest.fixture
def look(scene: Scene, looked_at: set[str], frames: dict[str, dict[str, Any]], prices: Any) -> Look:
    """Deliver messages to a publisher, let it look once, and return the frame of a filter."""
    arrivals, publisher = Arrivals(), StreamPublisher()
    ticks = iter(range(1, 1_000_000))

    def look(*messages: Any, filter_id: int = 0, account_id: int = 0, at: Any = NOW) -> dict[str, Any]:
        context = FeedContext(scene.place.account.pk, "paper", to_unix_ms(at))
        arrivals.created(context, [one for one in messages if isinstance(one, ws.RfqCreated)])
        arrivals.deleted(context, [one for one in messages if isinstance(one, ws.RfqDeleted)])
        topic = incoming_topic(account_id or scene.place.account.pk, filter_id)
        looked_at.add(topic)
        publisher.tick(arrivals.take(), now=at, clock=float(next(ticks)))
        return frames.get(topic, {})

    return look


def test_a_row_says_what_is_needed_to_answer(look: Look) -> None:
    frame = look(created("one"), created("two"))
    row = frame["rows"][1]

    assert [one["rfq_id"] for one in frame["rows"]] == ["two", "one"]  # newest first
    assert (row["title"], row["contracts"], row["book_bid"], row["book_ask"]) == ("Warm", "100.00", "0.4000", "0.4400")
    assert (row["fair"], row["fair_source"]) == ("0.4200", "book")
    assert (row["suggested_yes"], row["suggested_no"]) == ("0.4000", "0.5600")
    assert (frame["hidden"], frame["state"]) == (0, "live")


def test_a_saved_filter_hides_and_counts(scene: Scene, look: Look) -> None:
    saved = filters.filter_save(scene.quoter, name="Big", criteria=Criteria(min_contracts=Decimal(500)))
    frame = look(
        *(created(f"r{number}") for number in range(40)), created("big", contracts_fp="800"), filter_id=saved.pk
    )

    assert [row["rfq_id"] for row in frame["rows"]] == ["big"]
    assert frame["hidden"] == 40


def test_a_changed_filter_is_asked_again_of_what_is_there(scene: Scene, look: Look) -> None:
    saved = filters.filter_save(scene.quoter, name="Big", criteria=Criteria(min_contracts=Decimal(500)))
    assert look(created("one"), filter_id=saved.pk)["rows"] == []
    filters.filter_save(scene.quoter, name="Any", criteria=Criteria(), filter_id=saved.pk)

    for _ in range(3):
        frame = look(filter_id=saved.pk)
    assert [row["rfq_id"] for row in frame["rows"]] == ["one"]


def test_another_desks_filter_shows_nothing(scene: Scene, look: Look) -> None:
    elsewhere = StreamFilter.objects.create(
        desk_id=scene.place.desk.pk - 1, environment="paper", name="Theirs", criteria={}
    )
    frame = look(created("one"), filter_id=elsewhere.pk)

    assert (frame["rows"], frame["state"]) == ([], "no_filter")


def test_at_most_200_rows_and_gone_ones_give_way(look: Look) -> None:
    frame = look(*(created(f"r{number}") for number in range(300)))
    assert [row["rfq_id"] for row in frame["rows"]][::199] == ["r299", "r100"]

    frame = look(*(deleted(f"r{number}") for number in range(200, 300)))
    assert [row["rfq_id"] for row in frame["rows"]][::199] == ["r199", "r0"]


def test_our_own_requests_are_not_ours_to_quote(scene: Scene, look: Look) -> None:
    rfq = scene.request()
    frame = look(created("theirs"), created(str(rfq.rfq_id)))

    assert [row["rfq_id"] for row in frame["rows"]] == ["theirs"]


def test_nothing_is_published_for_nobody_or_twice(
    looked_at: set[str], frames: dict[str, Any], look: Look, scene: Scene
) -> None:
    assert look(created("one"))["seen"] == 1
    topic, _ = frames.popitem()
    looked_at.discard(topic)
    assert StreamPublisher().tick({}, now=NOW, clock=0.0) == 0

    looked_at.add(topic)
    publisher = StreamPublisher()
    assert [publisher.tick({}, now=NOW, clock=at) for at in (10.0, 10.25, 10.5, 12.5)] == [1, 0, 0, 1]


def test_the_minutes_are_counted_once_they_are_over(scene: Scene, look: Look) -> None:
    look(created("one"), created("two"))
    look(created("three"), at=NOW + timedelta(minutes=1))
    look(at=NOW + timedelta(minutes=2))

    minutes = StreamMinute.objects.order_by("minute").values_list("account_id", "seen", "dropped")
    assert list(minutes) == [(scene.place.account.pk, 2, 0), (scene.place.account.pk, 1, 0)]


def test_a_request_that_we_keep_is_marked_when_it_is_over(look: Look) -> None:
    kept = incoming_keep("paper", stream.reports.rfq_from_ws(created("kept")))
    look(created("kept"), deleted("kept"), deleted("unknown"))
    kept.refresh_from_db()

    assert kept.deleted_at is not None
    assert IncomingRfq.objects.count() == 1


def test_after_a_restart_the_open_requests_are_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    rfq_id = post(scene.maker, RFQS, market_ticker=LINEAR, contracts=50, rest_remainder=False)["id"]
    arrivals, board = Arrivals(), Board()
    monkeypatch.setattr(stream, "arrivals", arrivals)
    monkeypatch.setattr(stream, "client_for", scene.client)
    stream_read(scene.place.account.pk)
    board.apply(arrivals.take()["paper"])

    assert list(board.entries) == [rfq_id]
    assert board.entries[rfq_id].report.contracts == Decimal(50)


# --- commands ----------------------------------------------------------------------------------------


def test_filters_are_saved_listed_and_removed_by_those_who_may(scene: Scene) -> None:
    run = {name: ports.commands[f"filter.{name}"].handler for name in ("save", "list", "remove")}
    own = run["save"](scene.quoter, {"name": "Mine", "criteria": {"combos": "only"}})["filter"]
    shared = run["save"](scene.quoter, {"name": "Desk", "criteria": {}, "is_shared": True})["filter"]

    def names(actor: Any) -> list[str]:
        return [row["name"] for row in run["list"](actor, {})["filters"]]

    assert (names(scene.quoter), names(scene.other)) == (["Desk", "Mine"], ["Desk"])
    for command, actor, params in [
        ("remove", scene.other, {"filter": own["id"]}),
        ("save", scene.place.viewer, {"name": "No", "criteria": {}}),
        ("save", scene.quoter, {"name": "Desk", "criteria": {}, "is_shared": True}),
        ("save", scene.quoter, {"name": "", "criteria": {}}),
    ]:
        with pytest.raises(DeskError):
            run[command](actor, params)
    run["remove"](scene.other, {"filter": shared["id"]})
    assert names(scene.quoter) == ["Mine"]


def test_topics_of_the_stream_are_told_from_others() -> None:
    assert incoming_of("incoming:5:0") == (5, 0)
    for other in ("incoming:5", "book:paper:T", "incoming:x:0", "incoming:5:x"):
        assert incoming_of(other) is None
