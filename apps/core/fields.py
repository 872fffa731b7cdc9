"""One model field for prices, counts and money: `Decimal` in Python, an integer in SQL.

SQLite has no exact decimal type (a `DecimalField` there goes through a binary float, and sums
drift). Integers of the smallest unit are exact on every database, and so are their sums.
"""

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from apps.core.money import COUNT_PLACES, MONEY_PLACES, PRICE_PLACES, from_units, to_units

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.expressions import Combinable

    _Field = models.Field[Any, Any]
else:
    _Field = models.Field

_INT64_MAX = 2**63 - 1
_INT64_DIGITS = 19


class FixedPointField(_Field):
    """A fixed-point number with `places` decimal places, stored as an integer of that unit.

    Assigning a float, or a value finer than the unit, raises `ValidationError`: rounding is a
    decision that belongs to a service. Min, Max and Sum return exact `Decimal`; Avg returns the mean
    cut to the unit. Not a subclass of `IntegerField`, because Django would then compute with the
    bare integers: `Avg` would be a float of units and `F("a") + F("b")` an integer.

    In an expression say the field of a constant and of the result, else a constant counts units:
    `F("count") + Value(Decimal("1.00"), output_field=CountField())`.
    """

    description = "Fixed-point number with %(places)s decimal places"
    empty_strings_allowed = False
    default_error_messages = {
        "inexact": "“%(value)s” must be a plain decimal number with at most %(places)s decimal places.",
        "range": "“%(value)s” is too large.",
    }

    if TYPE_CHECKING:
        _pyi_private_set_type: Decimal | int | str | Combinable
        _pyi_private_get_type: Decimal
        _pyi_lookup_exact_type: Decimal | int | str

    def __init__(self, *args: Any, places: int, **kwargs: Any) -> None:
        self.places = places
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "places": self.places}

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def get_default(self) -> Any:
        default = super().get_default()
        return default if hasattr(default, "resolve_expression") else self.to_python(default)

    def to_python(self, value: Any) -> Decimal | None:
        """Raises ValidationError for a float, a value finer than the unit, or text that is no number."""
        if value is None:
            return None
        units = self._units(value)
        return from_units(units, self.places)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if value is None or hasattr(value, "resolve_expression"):
            return value
        return self._units(value)

    def get_db_prep_value(self, value: Any, connection: "BaseDatabaseWrapper", prepared: bool = False) -> Any:
        value = super().get_db_prep_value(value, connection, prepared)
        return connection.ops.adapt_integerfield_value(value, self.get_internal_type())

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        # PostgreSQL sums bigint into numeric, which arrives as a Decimal of units.
        return None if value is None else from_units(int(value), self.places)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.to_python(self.value_from_object(obj))
        return "" if value is None else f"{value:f}"

    def formfield(self, form_class: Any = None, choices_form_class: Any = None, **kwargs: Any) -> Any:
        return super().formfield(
            form_class=form_class or forms.DecimalField,
            choices_form_class=choices_form_class,
            **{"max_digits": _INT64_DIGITS, "decimal_places": self.places, **kwargs},
        )

    def _units(self, value: Any) -> int:
        if isinstance(value, bool | float):
            raise self._invalid("inexact", value)
        try:
            units = to_units(value if isinstance(value, Decimal) else Decimal(str(value)), self.places)
        except (InvalidOperation, ValueError) as exc:
            raise self._invalid("inexact", value) from exc
        if abs(units) > _INT64_MAX:
            raise self._invalid("range", value)
        return units

    def _invalid(self, code: str, value: Any) -> ValidationError:
        return ValidationError(
            self.error_messages[code], code=code, params={"value": str(value)[:60], "places": self.places}
        )


class PriceField(FixedPointField):
    """Dollars per contract, unit 1/10,000 dollar (docs:subpenny_pricing)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "places": PRICE_PLACES})


class CountField(FixedPointField):
    """Contracts, unit 1/100 contract (docs:fixed_point_contracts)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "places": COUNT_PLACES})


class MoneyField(FixedPointField):
    """Dollars, unit 1/1,000,000 dollar: price times count needs six places."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "places": MONEY_PLACES})
