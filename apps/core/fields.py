"""One model field for prices, counts and money: `Decimal` in Python, an integer in SQL.

SQLite has no exact decimal type (a `DecimalField` there goes through a binary float, and sums
drift). Integers of the smallest unit are exact on every database, and so are their sums.
"""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


class FixedPointField(models.BigIntegerField):
    """A fixed-point number with `places` decimal places, stored as an integer of that unit.

    Assigning a float, or a value finer than the unit, raises `ValidationError`: rounding is a
    decision that belongs to a service. Aggregates (Sum, Min, Max) return exact `Decimal`.
    """

    def __init__(self, *args: Any, places: int, **kwargs: Any) -> None:
        self.places = places
        self._scale = 10**places
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "places": self.places}

    def to_python(self, value: Any) -> Decimal | None:
        if value is None:
            return None
        if isinstance(value, float):
            raise ValidationError(f"{self.name}: a float is not exact; pass a Decimal or a string")
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        units = number.scaleb(self.places)
        if not units.is_finite() or units != units.to_integral_value():
            raise ValidationError(f"{self.name}: {value} is finer than {self.places} decimal places")
        return number

    def get_prep_value(self, value: Any) -> int | None:
        if value is None or hasattr(value, "resolve_expression"):
            return value
        number = self.to_python(value)
        assert number is not None
        return int(number.scaleb(self.places))

    def from_db_value(self, value: int | None, expression: Any, connection: Any) -> Decimal | None:
        if value is None:
            return None
        return Decimal(int(value)).scaleb(-self.places)


class PriceField(FixedPointField):
    """Dollars per contract, unit 1/10,000 dollar (docs:subpenny_pricing)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "places": 4})


class CountField(FixedPointField):
    """Contracts, unit 1/100 contract (docs:fixed_point_contracts)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "places": 2})


class MoneyField(FixedPointField):
    """Dollars, unit 1/1,000,000 dollar: price times count needs six places."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "places": 6})
