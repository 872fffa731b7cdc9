"""From a template to an event with its markets and its fair model."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from random import Random

from apps.paper.engine.catalogue import Market, MarketEvent, Series, SettlementSource
from apps.paper.engine.fees import FeeSchedule
from apps.paper.engine.ids import market_uuid
from apps.paper.world.entities import TIE, target_id
from apps.paper.world.models import FairModel, LatentNumber, Race
from apps.paper.world.templates import Template

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(slots=True)
class ListedEvent:
    """An event with its markets (same order as the model's probabilities) and how lively it is (1 to 10)."""

    event: MarketEvent
    markets: list[Market]
    model: FairModel
    popularity: int


@dataclass(frozen=True, slots=True)
class Strike:
    """What makes one market of an event different. Bounds in the unit of the event's number."""

    suffix: str
    text: str
    strike_type: str
    floor: Decimal | None = None
    cap: Decimal | None = None
    custom: dict[str, object] | None = None
    outcome: str = ""  # short title of Yes, when `text` alone does not say it
    no_outcome: str = ""


def make_series(template: Template, *, now_ms: int) -> Series:
    """The series of a template."""
    name, url = template.source
    return Series(
        ticker=template.ticker,
        title=template.title,
        category=template.category,
        frequency=template.frequency,
        tags=list(template.tags),
        settlement_sources=[SettlementSource(name=name, url=url)],
        contract_url=f"https://example.com/contracts/{template.ticker}.pdf",
        contract_terms_url=f"https://example.com/terms/{template.ticker}.pdf",
        fees=FeeSchedule(template.fee_type, Decimal(template.multiplier)),
        fee_changes=[
            FeeSchedule(fee_type, Decimal(multiplier), now_ms + days * DAY_MS)
            for days, fee_type, multiplier in template.fee_changes
        ],
        product_metadata=dict(template.metadata),
        updated_ms=now_ms,
    )


def make_event(template: Template, *, index: int, start_ms: int, random: Random) -> ListedEvent:
    """The `index`-th event of a template in a world that starts at `start_ms`."""
    close_ms = _close_ms(template, index, start_ms)
    date = _date_text(template, close_ms)
    strikes, model, code = _strikes(template, random)
    event_ticker = f"{template.ticker}-{_date_code(template, close_ms)}{code}"
    event = MarketEvent(
        ticker=event_ticker,
        series_ticker=template.ticker,
        title=_event_title(template, date, strikes),
        sub_title=date,
        category=template.category,
        mutually_exclusive=template.kind in ("bands", "race"),
        collateral_return_type="MECNET" if template.kind in ("bands", "race") else "",
        strike_ms=close_ms if template.date_code in ("day", "hour") else None,
        strike_period=None if template.date_code in ("day", "hour") else template.date_code,
        product_metadata=dict(template.metadata) or None,
        updated_ms=start_ms,
    )
    opened = start_ms - min(30 * DAY_MS, max(8 * DAY_MS, template.every_hours * HOUR_MS))
    markets = [_market(template, event, strike, date=date, opened=opened, close_ms=close_ms) for strike in strikes]
    return ListedEvent(event=event, markets=markets, model=model, popularity=template.popularity)


def _market(template: Template, event: MarketEvent, strike: Strike, *, date: str, opened: int, close_ms: int) -> Market:
    ticker = f"{event.ticker}-{strike.suffix}" if strike.suffix else event.ticker
    return Market(
        ticker=ticker,
        event_ticker=event.ticker,
        series_ticker=template.ticker,
        market_id=market_uuid(ticker),
        title=template.question.format(strike=strike.text, date=date) if template.kind != "race" else event.title,
        yes_sub_title=strike.outcome or _capital(strike.text),
        no_sub_title=strike.no_outcome or strike.outcome or _capital(strike.text),
        rules_primary=template.rule.format(strike=strike.text, date=date),
        rules_secondary=f"The source is {template.source[0]}. Revisions after expiration are not taken into account.",
        created_ms=opened,
        open_ms=opened,
        close_ms=close_ms,
        expected_expiration_ms=close_ms + HOUR_MS,
        latest_expiration_ms=close_ms + 7 * DAY_MS,
        price_level_structure=template.structure,
        updated_ms=opened,
        settlement_timer_seconds=template.settlement_timer_seconds,
        early_close_condition="This market will close and expire early if the event occurs.",
        strike_type=strike.strike_type,
        floor_strike=strike.floor,
        cap_strike=strike.cap,
        custom_strike=strike.custom,
    )


def _strikes(template: Template, random: Random) -> tuple[list[Strike], FairModel, str]:
    """Strikes, model, and what the event ticker needs beside the date."""
    if template.kind == "single":
        weight = template.chance * random.uniform(0.7, 1.3)
        model = Race(weights=[weight], others=max(0.05, 1 - weight), volatility=template.volatility)
        return [Strike("", "Yes", "custom", outcome="Yes", no_outcome="No")], model, ""
    if template.kind == "race":
        return _race(template, random)
    center = template.center + random.uniform(-0.4, 0.4) * template.spread
    middle = Decimal(round(center / float(template.step))) * template.step
    if template.kind == "above":
        return (*_above(template, center, middle), "")
    return (*_bands(template, center, middle), "")


def _race(template: Template, random: Random) -> tuple[list[Strike], FairModel, str]:
    names = list(template.names)
    code = ""
    if template.per_event:
        if template.per_event < len(names):
            names = random.sample(names, template.per_event)
        code = "".join(name[0] for name in names if name[0] != "TIE")
    weights = [weight * random.uniform(0.7, 1.4) for _, _, weight in names]
    strikes = [_named(template, suffix, name) for suffix, name, _ in names]
    return strikes, Race(weights=weights, others=template.others, volatility=template.volatility), code


def _named(template: Template, suffix: str, name: str) -> Strike:
    """The value of a structured strike is the id of the entity; a draw is nobody's."""
    if not template.target or suffix == TIE:
        return Strike(suffix, name, "custom", custom={"Outcome": name})
    return Strike(suffix, name, "structured", custom={template.target: target_id(template.target, name)})


def _above(template: Template, center: float, middle: Decimal) -> tuple[list[Strike], FairModel]:
    half = template.markets // 2
    floors = [middle + template.step * (index - half) for index in range(template.markets)]
    amounts = [_amount(floor, template.unit) for floor in floors]
    strikes = [
        Strike(f"T{_number(floor)}", amount, "greater", floor=floor, outcome=f"Above {amount}")
        for floor, amount in zip(floors, amounts, strict=True)
    ]
    bands: list[tuple[float | None, float | None]] = [(float(floor), None) for floor in floors]
    return strikes, LatentNumber(center=center, spread=template.spread, bands=bands, volatility=template.volatility)


def _bands(template: Template, center: float, middle: Decimal) -> tuple[list[Strike], FairModel]:
    step, unit = template.step, template.unit
    inner = template.markets - 2
    low = middle - step * inner / 2
    edges = [low + step * index for index in range(inner + 1)]
    strikes = [Strike(f"T{_number(low)}", f"below {_amount(low, unit)}", "less", cap=low)]
    bands: list[tuple[float | None, float | None]] = [(None, float(low))]
    for floor, cap in pairwise(edges):
        text = f"{_amount(floor, unit)} to {_amount(cap, unit)}"
        strikes.append(Strike(f"B{_number((floor + cap) / 2)}", text, "between", floor=floor, cap=cap))
        bands.append((float(floor), float(cap)))
    strikes.append(Strike(f"T{_number(edges[-1])}", f"{_amount(edges[-1], unit)} or above", "greater", floor=edges[-1]))
    bands.append((float(edges[-1]), None))
    return strikes, LatentNumber(center=center, spread=template.spread, bands=bands, volatility=template.volatility)


def _close_ms(template: Template, index: int, start_ms: int) -> int:
    """Events close on whole periods; the first is never about to close when the world starts."""
    every = min(template.every_hours * HOUR_MS, DAY_MS)
    base = start_ms // every * every + 2 * every
    if template.every_hours * HOUR_MS > DAY_MS:  # in about half a period: neither over at once nor far away
        base += template.every_hours * HOUR_MS // 2 // DAY_MS * DAY_MS
    return base + index * template.every_hours * HOUR_MS


def _date_code(template: Template, close_ms: int) -> str:
    date = datetime.fromtimestamp(close_ms / 1000, tz=UTC)
    formats = {"year": "%y", "month": "%y%b", "day": "%y%b%d", "hour": "%y%b%d%H"}
    return date.strftime(formats[template.date_code]).upper()


def _date_text(template: Template, close_ms: int) -> str:
    date = datetime.fromtimestamp(close_ms / 1000, tz=UTC)
    formats = {"year": "%Y", "month": "%B %Y", "day": "%b %d, %Y", "hour": "%b %d, %Y %H:00 UTC"}
    return date.strftime(formats[template.date_code])


def _event_title(template: Template, date: str, strikes: list[Strike]) -> str:
    if template.kind in ("above", "bands"):
        return f"{template.title}, {date}"
    if template.per_event:
        return " vs ".join(strike.text for strike in strikes if strike.suffix != "TIE") + ": winner?"
    return template.question.format(date=date)


def _number(value: Decimal) -> str:
    return f"{value:f}"


def _amount(value: Decimal, unit: str) -> str:
    digits = max(0, -int(value.as_tuple().exponent))
    return amount_text(f"{value:,.{digits}f}", unit)


def amount_text(number: str, unit: str) -> str:
    """A written number with its unit."""
    return f"${number}" if unit == "$" else f"{number}{unit}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
