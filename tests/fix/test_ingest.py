"""Execution reports enter by the doors of orders and fills: once, in any order, beside REST and WebSocket."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.fix import ingest
from apps.fix.engine.codec import Message
from apps.fix.ingest import last_seen
from apps.fix.messages.common import ExecId, Prices
from apps.fix.models import FixExecution
from apps.orders.models import Fill, Order, OrderIntent
from apps.orders.reports import FillReport
from apps.orders.services import fills_record
from tests.fix.conftest import report, trade
from tests.orders.blotter import make_intent

DONE = {"_39": "2", "_14": "10.00", "_151": "0.00", "_31": "0.5600", "_32": "6.00", "_880": "t-2"}


def test_an_order_and_its_trades_are_stored(place, apply):
    done = apply(report(), trade(), trade("4;10", **DONE))

    order = Order.objects.get()
    assert (done.applied, done.newest) == (3, ExecId(4, 10))
    assert (order.status, order.filled_count, order.remaining_count, order.initial_count) == ("executed", 10, 0, 10)
    assert (order.source, order.price, order.client_order_id) == ("fix", Decimal("0.56"), "o-1")
    fill = Fill.objects.get(trade_id="t-1")
    assert (fill.count, fill.yes_price, fill.fee, fill.is_taker) == (4, Decimal("0.55"), Decimal("0.07"), True)
    assert (fill.source, fill.order, fill.traded_at) == ("fix", order, datetime(2026, 11, 21, 12, tzinfo=UTC))


def test_each_exec_id_is_applied_once_whoever_tells_it(place, apply):
    apply(report(), trade(), kind="rt")
    again = apply(report(), trade(), trade(), kind="dc")

    assert (again.applied, again.known, again.conflicts) == (0, 3, 0)
    assert Fill.objects.count() == 1
    assert FixExecution.objects.filter(source="rt").count() == 2


def test_d29_reports_in_any_order_end_in_the_same_state(place, apply):
    reports = [report(), trade(), trade("4;10", **DONE)]
    for number, order in enumerate(itertools.permutations(reports)):
        Fill.objects.all().delete()
        FixExecution.objects.all().delete()
        Order.objects.all().delete()
        for one in order:
            apply(one)
        stored = Order.objects.get()
        assert (stored.status, stored.filled_count, stored.remaining_count) == ("executed", 10, 0), number
        assert Fill.objects.count() == 2


def test_d29_the_new_may_be_folded_into_the_first_trade(place, apply):
    apply(trade())

    assert Order.objects.get().filled_count == 4
    assert Order.objects.get().fills.count() == 1


def test_a_fill_that_the_feed_brought_is_not_doubled(place, apply):
    apply(report())
    moment = datetime(2026, 11, 21, 12, tzinfo=UTC)
    told = FillReport(
        "t-1", "o-1", "KXHIGHNY-26NOV22-T60", "bid", Decimal("0.55"), Decimal(4), True, Decimal("0.07"), moment
    )
    fills_record(place.account.pk, [told], source="ws")
    apply(trade())

    assert Fill.objects.get().source == "ws"
    assert Order.objects.get().filled_count == 4


def test_d5_the_same_id_with_other_content_is_told_and_the_first_kept(place, apply, queued):
    apply(trade())
    done = apply(trade(_880="t-other", _32="9.00"))

    assert done.conflicts == 1
    assert Fill.objects.get().trade_id == "t-1"
    entry = AuditEntry.objects.get(action="fix.execution.disputed")
    assert entry.data["exec_id"] == "4;8"
    assert ("account_orders_sync", place.account.pk) in queued


def test_d6_pending_reports_and_rejects_change_nothing(place, apply):
    pending = [report("-1;-1", _150=kind, _39=kind) for kind in ("A", "6", "E")]
    done = apply(*pending, *pending, report("-1;-1", _150="8", _39="8", _103="3", _58="INSUFFICIENT_BALANCE"))

    assert (done.skipped, done.applied, done.newest) == (7, 0, None)
    assert Order.objects.count() == 0
    assert last_seen(place.account.pk) is None


def test_d7_the_newest_is_found_as_integers(place, apply):
    for exec_id in ("4;9", "9;99", "10;1", "4;10"):
        apply(report(exec_id, _37=f"o-{exec_id}"))

    assert last_seen(place.account.pk) == ExecId(10, 1)


@pytest.mark.parametrize("status", ["4", "C"])
def test_cancelled_and_expired_orders_keep_their_size(place, apply, status):
    apply(report())
    apply(report("4;9", _150=status, _39=status, _38="0.00", _151="0.00", _41="o-1", _11="cancel-1"))

    order = Order.objects.get()
    assert (order.status, order.initial_count, order.remaining_count) == ("canceled", 10, 0)
    assert order.client_order_id == "o-1", "the cancel's own id is not the order's"


def test_a_replacement_brings_price_and_total(place, apply):
    apply(report())
    changed = {"_44": "0.5700", "_38": "12.00", "_151": "12.00", "_11": "change-1", "_41": "o-1"}
    apply(report("4;9", _150="5", _60="20261121-12:00:01.000", **changed))
    apply(
        trade("4;10", _11="change-1", _14="4.00", _151="8.00", _44="0.5700", _38="12.00", _60="20261121-12:00:02.000")
    )

    order = Order.objects.get()
    assert (order.price, order.initial_count, order.remaining_count) == (Decimal("0.57"), 12, 8)
    assert order.client_order_id == "o-1"


def test_an_intent_of_ours_is_found_by_its_report(place, apply):
    intent = make_intent(place, state=OrderIntent.State.UNKNOWN)
    apply(report(_11=str(intent.client_order_id)))

    intent.refresh_from_db()
    assert intent.state == OrderIntent.State.ACKED
    assert intent.evidence == "Found by its execution report o-1"


def test_an_order_of_the_sell_side_and_a_subaccount(place, apply):
    apply(report(_54="2", _79="3"))

    assert Order.objects.filter(book_side="ask", subaccount=3, price=Decimal("0.56")).count() == 1


def test_cents_sessions_store_dollars(place, apply):
    apply(report(_44="56"), trade(_44="56", _31="55", _6="55"), prices=Prices(in_dollars=False))

    assert Order.objects.get().price == Decimal("0.56")
    assert Fill.objects.get().yes_price == Decimal("0.55")


@pytest.mark.parametrize(
    "wrong",
    [
        {"_17": "4"},
        {"_17": "x;y"},
        {"_44": None},
        {"_55": None},
        {"_44": "0.56001"},
        {"_38": "-1"},
        {"_151": "1.001"},
    ],
)
def test_a_report_that_cannot_be_used_makes_the_desk_read_instead(place, apply, queued, wrong):
    exec_id = wrong.pop("_17", "4;7")
    done = apply(report(exec_id, **wrong), report("4;20", _37="o-2"))

    assert (done.unreadable, done.applied) == (1, 1), "what follows is applied"
    assert queued == [("account_orders_sync", place.account.pk)]


def test_a_trade_without_its_facts_makes_the_desk_read_instead(place, apply, queued):
    for number, tag in enumerate(("_31", "_32", "_880", "_1057", "_60")):
        assert apply(trade(f"5;{number}", **{tag: None})).unreadable == 1
    assert Fill.objects.count() == 0
    assert FixExecution.objects.count() == 0, "a report that was not applied whole may come again"


def test_a_replacement_in_the_same_millisecond_counts_and_a_late_one_does_not(place, apply):
    """Fills and the clock say nothing of which came first there: the ExecIDs do."""
    bigger = {"_150": "5", "_38": "12.00", "_151": "12.00", "_44": "0.5700"}
    smaller = {"_150": "5", "_38": "11.00", "_151": "11.00", "_44": "0.5800"}
    apply(report("4;7"), report("4;9", **smaller))
    order = Order.objects.get()
    assert (order.price, order.remaining_count) == (Decimal("0.58"), 11)

    apply(report("4;8", **bigger))
    order.refresh_from_db()
    assert (order.price, order.remaining_count) == (Decimal("0.58"), 11)


# --- together ------------------------------------------------------------------------------------------


def many(count: int) -> list[Message]:
    """Reports of orders of their own, each with a trade."""
    names = [dict.fromkeys(("_37", "_11"), f"m-{number}") | {"_880": f"t-{number}"} for number in range(count)]
    return [trade(f"9;{number}", **given) for number, given in enumerate(names)]


def test_a_bad_report_does_not_lose_its_batch(
    apply: Callable[..., ingest.Ingested], queued: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ingest.order_apply

    def refuses(account_id: int, report: Any, **source: Any) -> Any:
        if report.order_id == "m-2":
            Order.objects.create(account_id=account_id, order_id="half")
            raise DataError("out of range")
        return store(account_id, report, **source)

    monkeypatch.setattr(ingest, "order_apply", refuses)
    done = apply(*many(5))

    assert (done.applied, done.unreadable) == (4, 1)
    assert sorted(Order.objects.values_list("order_id", flat=True)) == ["m-0", "m-1", "m-3", "m-4"]
    assert (Fill.objects.count(), FixExecution.objects.count()) == (4, 4)
    assert queued[-1][0] == "account_orders_sync"


def test_a_database_that_is_away_leaves_nothing_half(
    apply: Callable[..., ingest.Ingested], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not told as applied comes again, whole."""
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "fills_record", lambda *args, **source: (_ for _ in ()).throw(OperationalError("gone")))
        with pytest.raises(OperationalError):
            apply(*many(3))
    assert not Order.objects.exists()
    assert not FixExecution.objects.exists()
    assert apply(*many(3)).applied == 3


def test_the_same_report_twice_in_a_batch_is_applied_once(apply: Callable[..., ingest.Ingested]) -> None:
    done = apply(*many(2), *many(2))
    assert (done.applied, done.known, Fill.objects.count()) == (2, 2, 2)


def test_a_batch_ends_in_time_and_everything_is_applied(
    apply: Callable[..., ingest.Ingested], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others wait for the write lock: without time each report is a transaction of its own."""
    monkeypatch.setattr(ingest, "TOGETHER_SECONDS", -1.0)
    assert apply(*many(4)).applied == 4
    monkeypatch.setattr(ingest, "TOGETHER_SECONDS", 60.0)
    with CaptureQueriesContext(connection) as told:
        apply(*[message for message in many(30) if int(message.text(17)[2:]) >= 4])
    stored = [one["sql"] for one in told if 'INTO "fix_fixexecution"' in one["sql"]]
    assert (len(stored), FixExecution.objects.count()) == (1, 30)
