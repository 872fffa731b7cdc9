"""The fixed-point field against the database the suite runs on (SQLite or PostgreSQL)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.writer import MigrationWriter
from django.db.models import Avg, F, Max, Min, Sum, Value
from django.db.models.functions import Coalesce
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import Desk, ExchangeAccount
from apps.core.fields import CountField, FixedPointField, MoneyField, PriceField
from apps.orders.models import Fill, Order
from apps.portfolio.models import Balance

NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)


@pytest.fixture
def account(db) -> ExchangeAccount:
    desk = Desk.objects.create(**fill_required(Desk, name="Field tests"))
    return ExchangeAccount.objects.create(**fill_required(ExchangeAccount, desk=desk, environment="paper"))


def fill_required(model: type[models.Model], **given_values: object) -> dict[str, object]:
    """Give required columns of `model` plain values: these tests are about other columns."""
    values = dict(given_values)
    for field in model._meta.concrete_fields:
        if field.name in values or field.primary_key or field.has_default() or field.null or field.blank:
            continue
        if isinstance(field, models.DateTimeField) and not (field.auto_now or field.auto_now_add):
            values[field.name] = NOON
        elif isinstance(field, models.CharField | models.TextField):
            values[field.name] = "field-tests"
    return values


def balance(account: ExchangeAccount, cash: str, subaccount: int = 0) -> Balance:
    return Balance.objects.create(account=account, subaccount=subaccount, cash=Decimal(cash), seen_at=NOON)


def fill(account: ExchangeAccount, price: str, count: str, trade_id: str) -> Fill:
    return Fill.objects.create(
        account=account, trade_id=trade_id, order_id_text="o", ticker="T", book_side="bid", yes_price=Decimal(price),
        count=Decimal(count), is_taker=True, fee=Decimal(0), traded_at=NOON, seen_at=NOON, source="rest",
    )  # fmt: skip


@pytest.mark.parametrize("cash", ["0", "0.000001", "-12.345678", "1234567890.123456", "9223372036854.775807"])
def test_an_amount_comes_back_to_the_last_digit(account, cash):
    row = balance(account, cash)

    row.refresh_from_db()

    assert row.cash == Decimal(cash)
    assert isinstance(row.cash, Decimal)


def test_sums_are_exact_where_binary_floats_drift(account):
    for subaccount in range(10):
        balance(account, "900000000.100001", subaccount)

    totals = Balance.objects.aggregate(total=Sum("cash"), least=Min("cash"), most=Max("cash"))

    assert totals == {
        "total": Decimal("9000000001.00001"), "least": Decimal("900000000.100001"), "most": Decimal("900000000.100001"),
    }  # fmt: skip
    assert all(isinstance(value, Decimal) for value in totals.values())


def test_a_sum_of_nothing_is_none_or_the_default(account):
    empty = Balance.objects.filter(subaccount=99)

    assert empty.aggregate(total=Sum("cash"))["total"] is None
    assert empty.aggregate(total=Sum("cash", default=Decimal("0.5")))["total"] == Decimal("0.5")
    coalesced = Coalesce(Sum("cash"), Value(Decimal("1.25"), output_field=MoneyField()))
    assert empty.aggregate(total=coalesced)["total"] == Decimal("1.25")


def test_a_mean_is_cut_to_the_unit(account):
    for number, price in enumerate(("0.5000", "0.5001", "0.5001")):
        fill(account, price, "1", str(number))

    assert Fill.objects.aggregate(mean=Avg("yes_price"))["mean"] == Decimal("0.5000")


def test_sums_per_group_keep_their_type(account):
    fill(account, "0.5", "1.25", "a")
    fill(account, "0.6", "2.50", "b")

    rows = Fill.objects.values("ticker").annotate(total=Sum("count")).values_list("ticker", "total")

    assert list(rows) == [("T", Decimal("3.75"))]


def test_rows_are_found_by_decimals(account):
    for number, price in enumerate(("0.1000", "0.2500", "0.9999")):
        fill(account, price, "1", str(number))

    def found(**lookup: object) -> list[str]:
        return sorted(Fill.objects.filter(**lookup).values_list("trade_id", flat=True))

    assert found(yes_price=Decimal("0.25")) == ["1"]
    assert found(yes_price__gt=Decimal("0.25")) == ["2"]
    assert found(yes_price__gte="0.25") == ["1", "2"]
    assert found(yes_price__lt=Decimal("0.25")) == ["0"]
    assert found(yes_price__in=[Decimal("0.1"), Decimal("0.9999")]) == ["0", "2"]
    assert found(yes_price__range=(Decimal("0.2"), 1)) == ["1", "2"]
    assert found(yes_price__gte=F("yes_price")) == ["0", "1", "2"]
    assert found(fee__isnull=True) == []


@pytest.mark.parametrize("lookup", ["exact", "gt", "lt"])
def test_a_lookup_by_a_float_is_refused(account, lookup):
    with pytest.raises(ValidationError):
        Fill.objects.filter(**{f"yes_price__{lookup}": 0.25}).exists()


def test_expressions_name_their_field(account):
    row = balance(account, "10")
    cent = Value(Decimal("0.01"), output_field=MoneyField())

    Balance.objects.update(cash=F("cash") - cent)

    row.refresh_from_db()
    assert row.cash == Decimal("9.99")
    with pytest.raises(FieldError):
        list(Balance.objects.annotate(more=F("cash") + Decimal("0.01")))


def test_price_times_count_is_money_in_sql(account):
    fill(account, "0.3301", "0.03", "a")
    fill(account, "0.5000", "2", "b")
    cost = models.ExpressionWrapper(F("yes_price") * F("count"), output_field=MoneyField())

    assert Fill.objects.aggregate(total=Sum(cost))["total"] == Decimal("1.009903")


def test_null_stays_null(account):
    row = balance(account, "1")

    row.refresh_from_db()

    assert row.portfolio_value is None


def test_constraints_count_in_units(account):
    with pytest.raises(IntegrityError), transaction.atomic():
        fill(account, "0.5", "0", "a")
    fill(account, "0.5", "0.01", "b")


def test_bulk_create_and_bulk_update_are_exact(account):
    rows = Balance.objects.bulk_create(
        [Balance(account=account, subaccount=n, cash=Decimal("0.000001") * n, seen_at=NOON) for n in range(1, 4)]
    )
    for row in rows:
        row.cash += Decimal("0.1")

    Balance.objects.bulk_update(rows, ["cash"])

    cash = Balance.objects.order_by("subaccount").values_list("cash", flat=True)
    assert list(cash) == [Decimal("0.100001"), Decimal("0.100002"), Decimal("0.100003")]


def test_rows_survive_serialization(account):
    row = balance(account, "-12.345678")

    for form in ("json", "python", "xml"):
        data = serializers.serialize(form, [row])
        (back,) = serializers.deserialize(form, data)
        assert back.object.cash == Decimal("-12.345678")
        assert back.object.portfolio_value is None


@pytest.mark.parametrize(
    "value", [0.5, float("nan"), True, "abc", "", "NaN", Decimal("Infinity"), Decimal("0.00001"), [], "1e20"]
)
def test_an_inexact_value_is_refused(value):
    with pytest.raises(ValidationError):
        PriceField(name="price").to_python(value)


@pytest.mark.parametrize("value", ["9223372036854.775808", "-9223372036854.775808"])
def test_a_value_beyond_64_bits_is_refused(value):
    with pytest.raises(ValidationError) as caught:
        MoneyField(name="cash").get_prep_value(Decimal(value))
    assert caught.value.code == "range"


@pytest.mark.parametrize("value", [Decimal("0.5"), "0.5", "0.50000"])
def test_an_exact_value_is_normalised_to_the_places(value):
    assert str(PriceField(name="price").to_python(value)) == "0.5000"


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_every_integer_of_the_column_is_a_value_and_back(units):
    field = MoneyField(name="cash")
    value = field.from_db_value(units, None, connection)

    assert field.get_prep_value(value) == units
    # PostgreSQL answers SUM(bigint) with numeric.
    assert field.from_db_value(Decimal(units), None, connection) == value


def test_defaults_are_decimals_in_memory_too():
    assert isinstance(Order().filled_count, Decimal)
    expression = Value(1)
    assert CountField(default=expression).get_default() is expression
    assert CountField(null=True).get_default() is None


def test_migrations_write_the_field_back():
    field = FixedPointField(places=3, null=True)
    field.set_attributes_from_name("size")

    text, imports = MigrationWriter.serialize(field)

    assert text == "apps.core.fields.FixedPointField(null=True, places=3)"
    assert imports == {"import apps.core.fields"}
    assert CountField().clone().places == 2


def test_value_to_string_is_a_plain_decimal():
    row = Balance(cash=Decimal("0.000001"), portfolio_value=None)

    assert Balance._meta.get_field("cash").value_to_string(row) == "0.000001"
    assert Balance._meta.get_field("portfolio_value").value_to_string(row) == ""


def test_forms_accept_the_unit_and_no_finer():
    field = PriceField(name="price").formfield()

    assert field.clean("0.5600") == Decimal("0.56")
    for bad in ("0.56001", "abc", "NaN"):
        with pytest.raises(ValidationError):
            field.clean(bad)
