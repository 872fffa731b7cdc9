"""The trading day, defined here and nowhere else: a calendar day in New York, midnight to midnight.

The exchange is there, its maintenance and most of its markets' own days follow that clock, and a day that ends at a
person's own midnight would give two people of one desk two different results. Days of 23 and 25 hours are whole days.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

EXCHANGE_ZONE: Final = ZoneInfo("America/New_York")


def trading_day(moment: datetime) -> date:
    """Return the trading day of an aware moment."""
    return moment.astimezone(EXCHANGE_ZONE).date()


def day_start(day: date) -> datetime:
    """Return the first moment of a trading day, aware UTC."""
    return datetime.combine(day, time(), tzinfo=EXCHANGE_ZONE).astimezone(UTC)


def day_end(day: date) -> datetime:
    """Return the first moment after a trading day, aware UTC."""
    return day_start(day + timedelta(days=1))
