"""Prepared writes store and change what the ORM would, with the same refusals."""

import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Model
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import ExchangeAccount
from apps.audit.models import AuditEntry
from apps.core.prepared_writes import PreparedInsert, PreparedUpdate
from apps.core.timestamps import utc_now
from apps.orders.models import BookSide, Order, OrderIntent
from apps.portfolio.models import Balance
from tests.support.people import make_account, make_desk, make_person

pytestmark = pytest.mark.django_db


def values_of(row: Model) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.fixture
def account() -> ExchangeAccount:
    return make_account(make_desk("One"), name="Paper")


def test_a_row_is_stored_as_the_orm_stores_it(account: ExchangeAccount) -> None:
    store, now = PreparedInsert(Balance), utc_now()

    rows = [
        store(Balance(account=account, subaccount=number, cash=Decimal(cash), seen_at=now))
        for number, cash in enumerate(("0.000001", "-12.345678", "999999999"))
    ]

    for row in rows:
        stored = Balance.objects.get(pk=row.pk)
        assert values_of(stored) == values_of(row)
        assert (row._state.adding, row._state.db) == (False, stored._state.db)
        row.cash = Decimal(1)
        row.save()  # a later save changes it and adds no other
    assert Balance.objects.filter(cash=1).count() == len(rows)


def test_json_and_a_missing_person_are_stored(account: ExchangeAccount) -> None:
    kept = {"a": [1, {"b": "\u2063 %s ' ?"}], "c": None}
    entry = AuditEntry(desk_id=7, sequence=1, at=utc_now(), action="a.b.c", data=kept, digest="d", previous_digest="p")

    PreparedInsert(AuditEntry)(entry)

    assert (AuditEntry.objects.get(pk=entry.pk).data, entry.actor_id) == (kept, None)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"state": OrderIntent.State.SENDING, "book_side": BookSide.ASK, "is_post_only": True, "version": 2**31 - 1},
        {"state": "acked", "ticker": "\u00e4 %s ' ?", "exchange_order_id": "", "batch_key": uuid.UUID(int=7)},
        {"expires_at": datetime(2031, 1, 2, 3, 4, 5, 600, tzinfo=timezone(timedelta(hours=5)))},
        {"fee_shown": Decimal("0.000001"), "subaccount": True, "is_reduce_only": 1},
        {"desk_id": "1", "count": "2.50", "ticker": 5},
    ],
)
def test_a_row_with_all_kinds_of_columns_is_stored_as_the_orm_stores_it(
    account: ExchangeAccount, given: dict[str, object]
) -> None:
    person = make_person(account.desk, "trader")
    usual = {
        "desk_id": account.desk_id,
        "account": account,
        "placed_by_id": person.pk,
        "ticker": "KXONE-1",
        "book_side": BookSide.BID,
        "price": Decimal("0.5600"),
        "count": Decimal("2.00"),
        "created_at": utc_now(),
    }
    wished = usual | given
    if "desk_id" in given:
        wished["desk_id"] = str(account.desk_id)

    ours = PreparedInsert(OrderIntent)(OrderIntent(**wished, idempotency_key=uuid.uuid4()))
    theirs = OrderIntent(**wished, idempotency_key=uuid.uuid4())
    theirs.save(force_insert=True)

    own = {"id", "idempotency_key", "client_order_id"}
    with connection.cursor() as cursor:
        table = OrderIntent._meta.db_table
        cursor.execute(f"SELECT * FROM {table} WHERE id IN (%s, %s) ORDER BY id", [ours.pk, theirs.pk])
        names = [column[0] for column in cursor.description]
        first, second = (
            {name: value for name, value in zip(names, row, strict=True) if name not in own}
            for row in cursor.fetchall()
        )
    assert first == second
    assert {name: type(value) for name, value in first.items()} == {name: type(value) for name, value in second.items()}


def test_what_the_database_refuses_rolls_the_transaction_back(account: ExchangeAccount) -> None:
    store = PreparedInsert(Balance)
    with transaction.atomic():
        store(Balance(account=account, subaccount=1, cash=Decimal(1), seen_at=utc_now()))
        with pytest.raises(IntegrityError), transaction.atomic():
            store(Balance(account=account, subaccount=1, cash=Decimal(2), seen_at=utc_now()))
    assert [row.cash for row in Balance.objects.all()] == [1]


def test_only_the_rows_of_the_condition_change_and_their_number_is_told(account: ExchangeAccount) -> None:
    now = utc_now()
    built: list[int] = []

    def build(account_id, subaccount, before, at):  # type: ignore[no-untyped-def]
        built.append(subaccount)
        found = Balance.objects.filter(account_id=account_id, subaccount=subaccount, seen_at__lt=before)
        return found, {"cash": F("cash") + F("cash"), "seen_at": at}

    change = PreparedUpdate(build)
    for number in range(3):
        Balance.objects.create(
            account=account, subaccount=number, cash=Decimal(number), seen_at=now - timedelta(minutes=number)
        )

    counts = [change(account.pk, number, now, now + timedelta(hours=1)) for number in range(3)]

    assert counts == [0, 1, 1]  # the first was seen at that very moment
    assert list(Balance.objects.order_by("subaccount").values_list("cash", flat=True)) == [0, 2, 4]
    assert Balance.objects.get(subaccount=2).seen_at == now + timedelta(hours=1)
    assert len(built) == 1


def test_its_statement_is_the_orms(account: ExchangeAccount) -> None:
    now = utc_now()
    found = Order.objects.filter(account_id=account.pk, order_id="it's", created_at__gt=now)
    change = PreparedUpdate(
        lambda pk, order_id, at: (
            Order.objects.filter(account_id=pk, order_id=order_id, created_at__gt=at),
            {"version": F("version") + 1, "seen_at": at},
        )
    )

    with CaptureQueriesContext(connection) as queries:
        change(account.pk, "it's", now)
    with CaptureQueriesContext(connection) as plain:
        found.update(version=F("version") + 1, seen_at=now)

    assert queries[0]["sql"] == plain[0]["sql"]


def test_what_cannot_be_prepared_is_refused(account: ExchangeAccount) -> None:
    unused = PreparedUpdate(lambda pk: (Balance.objects.filter(account__name="x"), {"cash": Decimal(1)}))
    with pytest.raises(TypeError):
        unused(7)
    with pytest.raises(TypeError):
        PreparedUpdate(lambda cash: (Balance.objects.filter(pk=1), {"cash": cash}))(Decimal(1))  # type: ignore[arg-type]
