"""Prepared reads give what the ORM gives, with other values than the ones they were written for."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.models import F, Model, QuerySet
from django.db.models.signals import post_init
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import ExchangeAccount
from apps.audit.models import AuditEntry
from apps.core.prepared import Prepared, PreparedColumns, row_of
from apps.core.timestamps import utc_now
from apps.orders.models import OrderIntent
from apps.portfolio.models import Balance
from apps.vault.models import ApiKey
from tests.support.people import make_account, make_desk

pytestmark = pytest.mark.django_db


def values_of(row: Model) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.fixture
def accounts() -> list[ExchangeAccount]:
    desks = [make_desk(name) for name in ("One", "Two")]
    return [make_account(desks[number % 2], name=f"Account {number}") for number in range(5)]


def test_it_reads_what_the_queryset_reads_for_every_value(accounts: list[ExchangeAccount]) -> None:
    def build(desk_id: int, environment: str) -> QuerySet[ExchangeAccount]:
        return ExchangeAccount.objects.filter(desk_id=desk_id, environment=environment, is_active=True).order_by("-pk")

    read = Prepared(build)

    for desk_id in {account.desk_id for account in accounts} | {0}:
        for environment in ("paper", "demo", "' OR 1=1 --", "%s"):
            found = read(desk_id, environment)
            assert list(map(values_of, found)) == list(map(values_of, build(desk_id, environment)))


def test_decimals_and_times_come_back_as_the_model_has_them(accounts: list[ExchangeAccount]) -> None:
    now = utc_now()
    Balance.objects.create(account=accounts[0], subaccount=3, cash=Decimal("12.345678"), seen_at=now)
    read = Prepared(lambda account_id, subaccount: Balance.objects.filter(account_id=account_id, subaccount=subaccount))

    row = read.first(accounts[0].pk, 3)

    assert row is not None
    assert (row.cash, row.seen_at, row.portfolio_value) == (Decimal("12.345678"), now, None)
    assert read.first(accounts[0].pk, 4) is None
    row.cash = Decimal(1)
    row.save()
    assert Balance.objects.get().cash == 1


def test_a_uuid_is_found_on_every_database(accounts: list[ExchangeAccount]) -> None:
    read = Prepared(lambda user_id, key: OrderIntent.objects.filter(placed_by_id=user_id, idempotency_key=key))

    with CaptureQueriesContext(connection) as queries:
        assert read(7, uuid.UUID(int=9)) == []
    expected = OrderIntent.objects.filter(placed_by_id=7, idempotency_key=uuid.UUID(int=9))
    with CaptureQueriesContext(connection) as plain:
        list(expected)
    assert queries[0]["sql"] == plain[0]["sql"]


def test_it_is_written_once(accounts: list[ExchangeAccount]) -> None:
    built: list[int] = []

    def build(pk: int) -> QuerySet[ExchangeAccount]:
        built.append(pk)
        return ExchangeAccount.objects.filter(pk=pk)

    read = Prepared(build)

    assert [read.first(account.pk) for account in accounts] == accounts
    assert len(built) == 1


def test_the_quick_way_and_djangos_give_the_same_rows(accounts: list[ExchangeAccount]) -> None:
    read = Prepared(lambda desk_id: ExchangeAccount.objects.filter(desk_id=desk_id).order_by("pk"))

    quick = read(accounts[0].desk_id)
    with CaptureQueriesContext(connection) as queries:
        djangos = read(accounts[0].desk_id)

    assert len(queries) == 1  # whoever counts queries sees each
    assert list(map(values_of, quick)) == list(map(values_of, djangos))
    for row, other in zip(quick, djangos, strict=True):
        assert row == other
        assert vars(row._state) == vars(other._state)
        assert row.__dict__.keys() == other.__dict__.keys()
        assert row.desk == other.desk  # what is not loaded is fetched as ever


def test_a_broken_transaction_is_refused_as_ever(accounts: list[ExchangeAccount]) -> None:
    read = Prepared(lambda pk: ExchangeAccount.objects.filter(pk=pk))
    assert read(accounts[0].pk)

    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            read(accounts[0].pk)


def test_who_listens_to_loaded_rows_hears_of_them(accounts: list[ExchangeAccount]) -> None:
    heard: list[Model] = []

    def listen(instance: Model, **_: object) -> None:
        heard.append(instance)

    post_init.connect(listen, sender=ExchangeAccount)
    try:
        rows = Prepared(lambda pk: ExchangeAccount.objects.filter(pk=pk))(accounts[0].pk)
    finally:
        post_init.disconnect(listen, sender=ExchangeAccount)

    assert heard == rows


@pytest.mark.parametrize(
    "build",
    [
        lambda pk: ExchangeAccount.objects.filter(pk=pk).select_related("desk"),
        lambda pk: ExchangeAccount.objects.filter(pk=pk).only("name"),
        lambda pk: ExchangeAccount.objects.filter(pk=pk).annotate(twice=F("pk") * 2),
        lambda pk: ExchangeAccount.objects.filter(is_active=True),
        lambda pk: ExchangeAccount.objects.filter(name=pk),
    ],
    ids=["another model", "half a row", "an annotation", "a value that is not used", "a value of another kind"],
)
def test_what_it_cannot_keep_is_refused(build: Callable[[int], QuerySet[ExchangeAccount]]) -> None:
    with pytest.raises(TypeError):
        Prepared(build)(1)


@pytest.mark.parametrize("value", [None, True, 1.5, Decimal(1)])
def test_values_of_other_kinds_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="takes ints, strings and UUIDs"):
        Prepared(lambda pk: ExchangeAccount.objects.filter(pk=pk))(value)  # type: ignore[arg-type]


def test_a_column_that_the_manager_leaves_out_is_read_when_it_is_asked_for(accounts: list[ExchangeAccount]) -> None:
    key = ApiKey.objects.create(
        account=accounts[0], purpose="rest_trade", key_size=2048, sealed=b"sealed", sealing_key_id="one", label="Key"
    )
    read = Prepared(lambda account_id: ApiKey.objects.filter(account_id=account_id))

    with CaptureQueriesContext(connection) as asked:
        [row] = read(accounts[0].pk)
    assert '"sealed",' not in asked[0]["sql"]
    assert (row.pk, row.label, row.sealing_key_id, row.get_deferred_fields()) == (key.pk, "Key", "one", {"sealed"})
    assert bytes(row.sealed) == b"sealed"


def test_columns_of_several_tables_come_back_as_the_models_have_them(accounts: list[ExchangeAccount]) -> None:
    now = utc_now()
    for number, account in enumerate(accounts):
        Balance.objects.create(account=account, subaccount=3, cash=Decimal(number) / 10, seen_at=now)

    def build(desk_id: int, subaccount: int) -> QuerySet[Balance, tuple[object, ...]]:
        mine = Balance.objects.filter(account__desk_id=desk_id, subaccount=subaccount).order_by("pk")
        return mine.values_list("account__name", "cash", "seen_at", "portfolio_value")

    read = PreparedColumns(build)

    for desk_id in {account.desk_id for account in accounts} | {0}:
        for _ in range(2):
            assert list(map(tuple, read(desk_id, 3))) == list(build(desk_id, 3))
            assert read(desk_id, 4) == []
    assert read(accounts[0].desk_id, 3)[0][1] == Decimal(0)


def test_columns_that_are_calculated_or_not_named_are_refused(accounts: list[ExchangeAccount]) -> None:
    for build in (
        lambda pk: Balance.objects.filter(pk=pk),
        lambda pk: Balance.objects.filter(pk=pk).annotate(twice=F("cash") * 2).values_list("twice"),
    ):
        with pytest.raises(TypeError):
            PreparedColumns(build)(1)
    with pytest.raises(TypeError):
        PreparedColumns(lambda pk: Balance.objects.filter(pk=pk + 1).values_list("cash"))(1)


def test_a_statement_by_hand_gives_its_one_row_asked_either_way(accounts: list[ExchangeAccount]) -> None:
    name = ExchangeAccount._meta.db_table
    sql = f"SELECT COUNT(*), COALESCE(SUM(id), 0) FROM {name} WHERE id <= %(most)s AND name <> %(other)s"
    values = {"most": accounts[2].pk, "other": "x' OR 1=1 --"}

    by_itself = row_of(sql, values)
    with CaptureQueriesContext(connection) as asked:
        by_django = row_of(sql, values)

    assert tuple(by_itself) == tuple(by_django) == (3, sum(one.pk for one in accounts[:3]))
    assert len(asked) == 1


def test_rows_that_were_read_before_are_read_again(accounts: list[ExchangeAccount]) -> None:
    read = Prepared(lambda pk: ExchangeAccount.objects.filter(pk=pk))
    [account] = ExchangeAccount.objects.filter(pk=accounts[0].pk)

    for name in ("First", "Second", "First"):
        ExchangeAccount.objects.filter(pk=account.pk).update(name=name)
        [found] = read(account.pk)
        [again] = read(account.pk)
        assert values_of(found) == values_of(again) == values_of(ExchangeAccount.objects.get(pk=account.pk))
        assert found is not again


def test_what_one_reader_changes_in_place_no_other_reader_sees(accounts: list[ExchangeAccount]) -> None:
    kept = {"a": [1, 2], "b": {"c": None}}
    row = AuditEntry(desk_id=7, sequence=1, at=utc_now(), action="a.b.c", data=kept, digest="d", previous_digest="p")
    row.save()
    read = Prepared(lambda desk_id: AuditEntry.objects.filter(desk_id=desk_id))
    columns = PreparedColumns(lambda desk_id: AuditEntry.objects.filter(desk_id=desk_id).values_list("data", "at"))

    for _ in range(3):
        [found] = read(7)
        [(data, at)] = columns(7)
        assert (found.data, found.at, data, at) == (kept, row.at, kept, row.at)
        found.data["a"].append(3)
        data["b"]["c"] = 1


def test_more_rows_than_are_kept_come_back_right(accounts: list[ExchangeAccount]) -> None:
    seen = [utc_now() + timedelta(seconds=number) for number in range(100)]
    for number, moment in enumerate(seen):
        Balance.objects.create(account=accounts[0], subaccount=number, cash=Decimal(number), seen_at=moment)
    read = Prepared(lambda account_id: Balance.objects.filter(account_id=account_id).order_by("subaccount"))

    for _ in range(2):
        assert [(row.cash, row.seen_at) for row in read(accounts[0].pk)] == [
            (Decimal(number), moment) for number, moment in enumerate(seen)
        ]
