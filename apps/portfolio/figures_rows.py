"""The positions of an account as lines of a table: what they cost, what they are worth, what they may pay."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.pnl_scenarios import EventScenarios, Leg, event_scenarios
from apps.core.positions import NetPosition
from apps.core.timestamps import to_unix_ms, utc_now
from apps.markets.models import Market, Series
from apps.portfolio.access import WAS_TRADED, positions_visible_to
from apps.portfolio.figures import PnlSum
from apps.portfolio.figures_marks import Mark, marks_of
from apps.portfolio.models import Position

RECENT = timedelta(hours=24)
LINES_AT_MOST = 5_000
_ONE = Decimal(1)
GROUPS = ("event", "series", "category", "subaccount", "market", "none")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which positions are shown. subaccount None: all; `flat`: those closed within a day, too."""

    text: str = ""
    subaccount: int | None = None
    flat: bool = False
    group: str = "event"


def choice_from(values: Mapping[str, Any]) -> Choice:
    """Read ?q=&sub=&flat=&group=. Raises DeskError `bad_input`."""
    raw = str(values.get("sub", ""))
    if raw and not (raw.isascii() and raw.isdigit() and len(raw) <= 6):
        raise DeskError("bad_input", "A subaccount is a number.", fields={"sub": "A number, or nothing for all."})
    group = str(values.get("group", "")) or "event"
    return Choice(
        text=str(values.get("q", "")).replace("\x00", "").strip()[:100],
        subaccount=int(raw) if raw else None,
        flat=str(values.get("flat", "")) == "yes",
        group=group if group in GROUPS else "event",
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One position. Prices are of the leg held; dollars."""

    position: Position
    market: Market | None
    mark: Mark
    today: PnlSum

    @property
    def key(self) -> str:
        return f"{self.position.subaccount}:{self.position.ticker}"

    @property
    def contracts(self) -> Decimal:
        """Net: positive YES, negative NO."""
        return Decimal(self.position.position)

    @property
    def cost(self) -> Decimal:
        return Decimal(self.position.cost)

    @property
    def side(self) -> str:
        return "YES" if self.contracts > 0 else "NO" if self.contracts else ""

    @property
    def count(self) -> Decimal:
        return abs(self.contracts)

    @property
    def average(self) -> Decimal | None:
        return NetPosition(contracts=self.contracts, cost=self.cost).average_price

    @property
    def mark_price(self) -> Decimal | None:
        if self.mark.price is None or not self.contracts:
            return None
        return self.mark.price if self.contracts > 0 else _ONE - self.mark.price

    @property
    def value(self) -> Decimal | None:
        if not self.contracts:
            return Decimal(0)
        if self.mark.is_void:
            return self.cost
        if self.mark.price is None:
            return None
        return NetPosition(contracts=self.contracts).value_at(self.mark.price)

    @property
    def unrealized(self) -> Decimal | None:
        return None if self.value is None else self.value - self.cost

    @property
    def pays_yes(self) -> Decimal:
        return max(self.contracts, Decimal(0))

    @property
    def pays_no(self) -> Decimal:
        return max(-self.contracts, Decimal(0))

    @property
    def event_ticker(self) -> str:
        return self.market.event.ticker if self.market else self.position.ticker

    def leg(self) -> Leg:
        return leg_of(self.position, self.market)


def leg_of(position: Position, market: Market | None) -> Leg:
    result = market.result if market else ""
    value = {"yes": _ONE, "no": Decimal(0)}.get(result)
    if value is None and market is not None and result:
        value = market.settlement_value
    return Leg(position.ticker, position.position, position.cost, value, is_void=result == "void")


def positions_shown(actor: Actor, *, account_id: int, chosen: Choice) -> QuerySet[Position]:
    """Return open positions, with `flat` also those closed within a day. Raises NotAllowed."""
    rows = positions_visible_to(actor).filter(account_id=account_id)
    is_recent = Q(WAS_TRADED, seen_at__gte=utc_now() - RECENT) if chosen.flat else Q(pk=None)
    rows = rows.filter(~Q(position=0) | is_recent)
    if chosen.subaccount is not None:
        rows = rows.filter(subaccount=chosen.subaccount)
    return rows.order_by("ticker", "subaccount")


def lines_of(
    rows: Iterable[Position], *, environment: str, chosen: Choice, today: Mapping[tuple[int, str], PnlSum]
) -> list[Line]:
    """Return lines with marks, by event and ticker; those that the text leaves out are left out."""
    held = list(rows)
    markets = markets_of(environment, (row.ticker for row in held))
    marks = marks_of(environment, (row.ticker for row in held))
    lines = [
        Line(row, markets.get(row.ticker), marks[row.ticker], today.get((row.subaccount, row.ticker), PnlSum()))
        for row in held
    ]
    words = chosen.text.lower().split()
    lines = [line for line in lines if all(word in _words(line) for word in words)]
    return sorted(lines, key=lambda line: (line.event_ticker, line.position.ticker, line.position.subaccount))


def _words(line: Line) -> str:
    market = line.market
    names = (market.event.title, market.yes_sub_title, market.title, market.series_ticker) if market else ()
    return " ".join((line.position.ticker, *names)).lower()


def markets_of(environment: str, tickers: Iterable[str]) -> dict[str, Market]:
    """Return the markets that the catalogue holds, each with its event, by ticker."""
    names = sorted(set(tickers))
    found: dict[str, Market] = {}
    for start in range(0, len(names), 500):
        rows = Market.objects.filter(environment=environment, ticker__in=names[start : start + 500])
        found |= {row.ticker: row for row in rows.select_related("event")}
    return found


def scenarios_by_event(lines: Iterable[Line]) -> dict[str, EventScenarios]:
    """Return worst and best case of each event's lines, by event ticker."""
    by_event: dict[str, list[Line]] = {}
    for line in lines:
        by_event.setdefault(line.event_ticker, []).append(line)
    return {
        event: event_scenarios(
            [line.leg() for line in mine],
            is_exclusive=bool(mine[0].market and mine[0].market.event.is_mutually_exclusive),
        )
        for event, mine in by_event.items()
    }


def facts_of(environment: str, markets: Mapping[str, Market]) -> dict[str, Any]:
    """Return what the browser must know of markets: small, since there may be thousands.

    {"markets": {ticker: [outcome, event, close_ms, settles_ms, status, result, value]}, "events": {ticker: [title,
    series, category, is_exclusive]}, "series": {ticker: title}}.
    """
    events = {row.event.ticker: row.event for row in markets.values()}
    names = {event.series_ticker for event in events.values()}
    series = dict(Series.objects.filter(environment=environment, ticker__in=names).values_list("ticker", "title"))
    return {
        "markets": {ticker: _market_facts(row) for ticker, row in markets.items()},
        "events": {
            ticker: [event.title, event.series_ticker, event.category, event.is_mutually_exclusive]
            for ticker, event in events.items()
        },
        "series": series,
    }


def _market_facts(row: Market) -> list[Any]:
    # The close is certain, the expiration expected: what is paid comes after whichever is later known.
    settles = row.expected_expiration_time or row.close_time
    value = None if row.settlement_value is None else f"{row.settlement_value:f}"
    outcome = row.yes_sub_title or row.title
    return [outcome, row.event.ticker, _ms(row.close_time), _ms(settles), row.status, row.result, value]


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_unix_ms(moment)


# --- export ------------------------------------------------------------------------------------------

COLUMNS = (
    "subaccount",
    "market",
    "outcome",
    "event",
    "event_title",
    "series",
    "category",
    "side",
    "contracts",
    "average_price_dollars",
    "cost_dollars",
    "mark_dollars",
    "mark_source",
    "mark_at_utc",
    "mark_is_live",
    "value_dollars",
    "unrealised_dollars",
    "realised_dollars",
    "fees_dollars",
    "today_realised_dollars",
    "today_fees_dollars",
    "pays_if_yes_dollars",
    "pays_if_no_dollars",
    "event_worst_dollars",
    "event_best_dollars",
    "settles_at_utc",
    "position_seen_at_utc",
    "position_source",
)


def export_values(lines: list[Line], *, write_time: Any) -> Iterator[list[Any]]:
    """Yield the cells of each line; `write_time` writes Unix ms (or None) as text."""
    scenarios = scenarios_by_event(lines)
    for line in lines:
        row, market = line.position, line.market
        case = scenarios[line.event_ticker]
        settles = (market.expected_expiration_time or market.close_time) if market else None
        yield [
            row.subaccount,
            row.ticker,
            (market.yes_sub_title or market.title) if market else "",
            market.event.ticker if market else "",
            market.event.title if market else "",
            market.series_ticker if market else "",
            market.event.category if market else "",
            line.side,
            line.count,
            line.average,
            line.cost,
            line.mark_price,
            line.mark.kind,
            write_time(line.mark.at_ms),
            "yes" if line.mark.is_live else "no",
            line.value,
            line.unrealized,
            row.realized_pnl,
            row.fees_paid,
            line.today.realized,
            line.today.all_fees,
            line.pays_yes,
            line.pays_no,
            case.worst,
            case.best,
            write_time(_ms(settles)),
            write_time(to_unix_ms(row.seen_at)),
            row.source,
        ]
