"""Which rows of limits apply to an order, a request or a quote, and how tight they are together.

Every row that matches must allow: a row of a series or a market narrows what wider rows say, it never widens it.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from apps.core.prepared import Prepared
from apps.markets.models import Market
from apps.orders.models import RiskLimit

Figure = Decimal | int
Values = Mapping[str, Figure | None]

# What holds on the first day where a desk has no row for everybody, everywhere.
DEFAULTS: Final[Mapping[str, Figure]] = {
    "max_count": Decimal(10_000),
    "max_notional": Decimal(10_000),
    "price_band": Decimal("0.25"),
    "orders_per_minute": 600,
    "max_open_contracts": Decimal(100_000),
}
# Of each order by itself: of all rows that match the tightest counts.
OF_ONE: Final = ("max_count", "max_notional", "price_band")
# Counted over what is stored, within the series or market of the row.
COUNTED: Final = ("orders_per_minute", "max_open_contracts")
OF_RFQS: Final = ("max_open_rfqs", "max_open_quotes")
THRESHOLDS: Final = ("approve_count", "approve_notional")
SUMMED: Final = "approve_within"  # minutes in which orders are one to the thresholds of the row
SUMMED_MINUTES: Final = 10  # where a threshold is set and nothing else is said
SUMMED_MOST: Final = 1_440
ASK_AGAIN: Final = "ask_again_notional"  # above it the author proves again who they are: services.ask_again
NAMES: Final = (*DEFAULTS, *OF_RFQS, "max_daily_loss", *THRESHOLDS, SUMMED, ASK_AGAIN)
DOLLARS: Final = ("max_notional", "max_daily_loss", "approve_notional", ASK_AGAIN)
WHOLE: Final = ("orders_per_minute", *OF_RFQS, SUMMED)  # figures that are numbers of things, not decimals

_rows = Prepared(lambda desk_id: RiskLimit.objects.filter(desk_id=desk_id))
_markets = Prepared(lambda environment, ticker: Market.objects.filter(environment=environment, ticker=ticker))


@dataclass(frozen=True, slots=True)
class Within:
    """Where something is counted: "" and "" is every market."""

    series: str = ""
    ticker: str = ""

    @property
    def words(self) -> str:
        return f" in {self.series or self.ticker}" if self.series or self.ticker else ""


EVERYWHERE: Final = Within()


@dataclass(frozen=True, slots=True)
class LossLimit:
    """A daily loss that stops new risk. user_id: of this person's own trades; None: of the whole account."""

    limit: Decimal
    user_id: int | None
    allows_stale: bool


@dataclass(frozen=True, slots=True)
class InForce:
    """What all rows that match say together, each figure as its tightest; what nobody limits is absent."""

    of_one: dict[str, Figure] = field(default_factory=dict)
    counted: dict[tuple[str, Within], Figure] = field(default_factory=dict)
    losses: list[LossLimit] = field(default_factory=list)


def limits_in_force(
    desk_id: int, *, user_id: int, account_id: int, environment: str = "", tickers: Sequence[str] = ()
) -> InForce:
    """Return the limits of one person on one account, in some markets (of a combo also those of its legs).

    One read; a second one only where rows of a series exist that the ticker's own beginning does not name.
    """
    mine = [row for row in _rows(desk_id) if row.user_id in (None, user_id) and row.account_id in (None, account_id)]
    named = [row for row in mine if row.series or row.ticker]
    rows = [row for row in mine if not (row.series or row.ticker)]
    if not any(row.user_id is None and row.account_id is None for row in rows):
        rows.append(_defaults())
    if tickers and named:
        rows += [row for row in named if _is_meant(row, environment, tickers)]
    return _together(rows)


@functools.cache
def _defaults() -> RiskLimit:
    """Return what holds where nobody said anything. Of no desk, and not to be changed."""
    return RiskLimit(**DEFAULTS)


def _is_meant(row: RiskLimit, environment: str, tickers: Sequence[str]) -> bool:
    if row.ticker:
        return row.ticker in tickers
    if any(ticker == row.series or ticker.startswith(f"{row.series}-") for ticker in tickers):
        return True
    # A few old markets are not named after their series: what the catalogue says counts, too.
    found = (_markets.first(environment, ticker) for ticker in tickers)
    return any(market is not None and market.series_ticker == row.series for market in found)


def _together(rows: Iterable[RiskLimit]) -> InForce:
    found = InForce()
    of_one, counted = found.of_one, found.counted
    for row in rows:
        within = Within(row.series, row.ticker)
        for name in (*OF_ONE, *THRESHOLDS, ASK_AGAIN):
            value = getattr(row, name)
            if value is not None and (name not in of_one or value < of_one[name]):
                of_one[name] = value
        for name in (*COUNTED, *OF_RFQS):
            value, key = getattr(row, name), (name, within)
            if value is not None and (key not in counted or value < counted[key]):
                counted[key] = value
        if any(getattr(row, name) is not None for name in THRESHOLDS):
            # The longest counts: a narrower row never widens a wider one.
            of_one[SUMMED] = max(of_one.get(SUMMED, 0), summed_minutes(row))
        if row.max_daily_loss is not None:
            allows = row.loss_if_stale == RiskLimit.Stale.ALLOW
            found.losses.append(LossLimit(row.max_daily_loss, row.user_id, allows))
    return found


def summed_minutes(row: RiskLimit) -> int:
    """Return within how many minutes orders are one to the thresholds of a row; 0: each by itself."""
    return SUMMED_MINUTES if row.approve_within is None else row.approve_within


def limits_of(
    desk_id: int, *, user_id: int, account_id: int, environment: str = "", tickers: Sequence[str] = ()
) -> dict[str, Figure]:
    """Return each limit as its tightest, in the order of NAMES; a limit that nobody set is absent.

    What is counted within a series or a market is left out: its use is another one. See `limits_in_force`.
    """
    force = limits_in_force(desk_id, user_id=user_id, account_id=account_id, environment=environment, tickers=tickers)
    found: dict[str, Figure] = dict(force.of_one)
    found |= {name: value for (name, within), value in force.counted.items() if within == EVERYWHERE}
    if force.losses:
        found["max_daily_loss"] = min(one.limit for one in force.losses)
    return {name: found[name] for name in NAMES if name in found}


def values_of(row: RiskLimit | None) -> dict[str, str]:
    """Return a row's figures as decimal text, for histories and approvals; {} for no row."""
    if row is None:
        return {}
    held: dict[str, Any] = {name: getattr(row, name) for name in NAMES}
    texts = {
        name: f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
        for name, value in held.items()
        if value is not None
    }
    return texts | ({"loss_if_stale": row.loss_if_stale} if row.max_daily_loss is not None else {})
