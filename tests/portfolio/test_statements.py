"""The ledger against the exchange's own cash: every movement counted once, to the millionth of a dollar."""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.core.timestamps import from_unix_ms
from apps.orders.models import Fill, Order
from apps.paper.testing import InProcessPaper
from apps.portfolio.ledger import cash_before
from apps.portfolio.models import Balance, Deposit, Settlement
from apps.portfolio.records import settlements_apply
from apps.portfolio.statements import Statement, cash_check, statement_make
from tests.orders.conftest import Place, Published
from tests.portfolio.paper_desk import PaperDesk, build_desk
from tests.portfolio.paper_life import live, read_all
from tests.portfolio.test_records import settlement
from tests.support.paper import paper

__all__ = ["paper"]


@pytest.fixture
def desk(
    place: Place,
    paper: InProcessPaper,
    monkeypatch: pytest.MonkeyPatch,
    published: Published,
    queued: list[tuple[str, int]],
) -> PaperDesk:
    return build_desk(place, paper, monkeypatch)


def statement(desk: PaperDesk, *, hours: int = 24, subaccount: int | None = None) -> Statement:
    end = from_unix_ms(desk.paper.clock.now_ms()) + timedelta(seconds=1)
    return statement_make(
        desk.account.pk,
        account_name="Main",
        environment="paper",
        since=end - timedelta(hours=hours),
        until=end,
        now=end,
        subaccount=subaccount,
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_ledger_equals_the_exchange_for_every_subaccount(desk: PaperDesk, seed: int) -> None:
    """G7, G8: fills through zero, fees and roundings, scalar and void settlements, transfers, returned payments."""
    live(desk, seed=seed, steps=90)
    read_all(desk)
    # The paper exchange's clock has run ahead of ours; the balances were read at its time.
    now = from_unix_ms(desk.paper.clock.now_ms())
    Balance.objects.update(seen_at=now)

    assert Fill.objects.count() > 40
    assert set(Settlement.objects.values_list("result", flat=True)) == {"yes", "scalar", "void"}
    assert Order.objects.filter(status="resting").exists()
    for subaccount in (None, 0, 1, 2):
        check = cash_check(desk.account.pk, subaccount=subaccount)
        assert (check.level, check.difference) == ("exact", Decimal(0)), (subaccount, check)
        made = statement(desk, subaccount=subaccount)
        lines = list(made.lines())
        assert lines[-1].balance == made.closing == made.closing_by_exchange
        assert made.opening == 0
        assert made.totals.lines == len(lines)
        assert made.newest(25) == lines[:-26:-1]


@pytest.mark.parametrize("cut", [Decimal("0.2"), Decimal("0.5"), Decimal("0.9")])
def test_a_period_begins_where_the_one_before_it_ended(desk: PaperDesk, cut: Decimal) -> None:
    live(desk, seed=7, steps=60)
    read_all(desk)
    times = sorted(Fill.objects.values_list("traded_at", flat=True))
    middle = times[int(len(times) * cut)]
    whole = statement(desk)

    def part(since: object, until: object) -> Statement:
        return statement_make(
            desk.account.pk,
            account_name="Main",
            environment="paper",
            since=since,  # type: ignore[arg-type]
            until=until,  # type: ignore[arg-type]
            now=whole.until,
        )

    first, second = part(whole.since, middle), part(middle, whole.until)

    assert first.closing == second.opening == cash_before(desk.account.pk, moment=middle)
    assert second.closing == whole.closing
    assert [line.balance for line in (*first.lines(), *second.lines())] == [line.balance for line in whole.lines()]


def test_a_missing_fill_is_told_with_the_difference(desk: PaperDesk) -> None:
    live(desk, seed=3, steps=40)
    read_all(desk)
    Balance.objects.update(seen_at=from_unix_ms(desk.paper.clock.now_ms()))
    lost = Fill.objects.order_by("traded_at").first()
    assert lost is not None
    Fill.objects.filter(pk=lost.pk).delete()

    check = cash_check(desk.account.pk)

    assert check.level == "difference"
    assert check.difference
    assert "a difference of" in check.words


def test_what_moves_while_the_balance_is_read_is_said_to_move(desk: PaperDesk) -> None:
    live(desk, seed=5, steps=30)
    read_all(desk)
    newest = Fill.objects.order_by("-traded_at").first()
    assert newest is not None
    Balance.objects.update(seen_at=newest.traded_at - timedelta(seconds=10))

    assert cash_check(desk.account.pk).level in ("moving", "exact")
    assert cash_check(desk.account.pk).level != "difference"


def test_nothing_is_called_exact_before_a_balance_was_read(desk: PaperDesk) -> None:
    check = cash_check(desk.account.pk)

    assert (check.level, check.difference) == ("unknown", None)
    assert "not checked" in check.words


def test_a_corrected_settlement_is_a_movement_of_its_own(desk: PaperDesk) -> None:
    account_id = desk.account.pk
    settlements_apply(account_id, [settlement(subaccount=0)], source="rest")
    settlements_apply(
        account_id,
        [settlement(subaccount=0, result="no", revenue=Decimal(0), value=Decimal(0))],
        source="rest",
    )

    seen = Settlement.objects.get(revision=2).first_seen_at
    made = statement_make(
        account_id,
        account_name="Main",
        environment="paper",
        since=seen - timedelta(days=900),
        until=seen + timedelta(seconds=1),
        now=seen,
    )

    assert [(line.movement.kind, line.movement.cash) for line in made.lines()] == [
        ("settlement", Decimal(10)),
        ("correction", Decimal(-10)),
    ]
    assert made.closing == 0


def test_payments_count_only_when_they_are_applied(desk: PaperDesk) -> None:
    read_all(desk)
    for status in ("pending", "failed"):
        desk.paper.control(
            "POST", "/payment", {"member": "trader-1", "kind": "deposit", "amount_cents": 777, "status": status}
        )
    read_all(desk)

    assert Deposit.objects.filter(applied_at=None).count() == 2
    assert statement(desk).closing == Decimal(25_000)
