"""What a rule says, read from its form and checked word by word. Contract: docs/rfq.md, "Rules".

A rule acts while nobody looks, so it has bounds in every direction: size, number, dollars, time, and its breakers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from apps.core.errors import DeskError, WireFormatError
from apps.core.money import parse_count, parse_dollars, parse_price
from apps.core.quoting import Caps, Pricing, Sides, Terms
from apps.core.rfq import HIGH_VOLATILITY, STANDARD, Policy
from apps.rfq.reports import RfqReport
from apps.rfq.services.fair import FairSource
from apps.rfq.services.filters import (
    COMBOS,
    bool_from,
    decimal_from,
    names_from,
    number_from,
    series_of,
    within,
    word_from,
)

ZERO: Final = Decimal(0)
NEEDED: Final = "This is needed."
UNITS: Final = ("dollars", "percent")


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a rule answers; what is empty or None does not matter.

    series: of the market, and of every leg. closes_*: seconds until the market closes; not known: no match.
    """

    series: frozenset[str] = frozenset()
    collections: frozenset[str] = frozenset()
    requesters: frozenset[str] = frozenset()
    combos: str = "any"
    min_legs: int | None = None
    max_legs: int | None = None
    min_contracts: Decimal | None = None
    max_contracts: Decimal | None = None
    min_cost: Decimal | None = None
    max_cost: Decimal | None = None
    closes_within_s: int | None = None
    closes_after_s: int | None = None

    def fits(self, report: RfqReport) -> bool:
        """Say whether the message itself speaks for a match; quick, in memory."""
        legs = len(report.legs)
        if (self.combos == "only" and not legs) or (self.combos == "none" and legs):
            return False
        if (self.min_legs is not None and legs < self.min_legs) or (self.max_legs is not None and legs > self.max_legs):
            return False
        if self.collections and report.collection not in self.collections:
            return False
        if self.requesters and report.requester not in self.requesters:
            return False
        if not within(report.contracts, self.min_contracts, self.max_contracts):
            return False
        if not within(report.target_cost, self.min_cost, self.max_cost):
            return False
        # A combo's own series is that of its collection: its legs say what it is about.
        about = series_of(report) - ({report.ticker.partition("-")[0]} if report.legs else set())
        return not self.series or about <= self.series

    def fits_closing(self, closes_at: datetime | None, now: datetime) -> bool:
        if self.closes_within_s is None and self.closes_after_s is None:
            return True
        if closes_at is None:
            return False
        left = closes_at - now
        return (self.closes_within_s is None or left <= timedelta(seconds=self.closes_within_s)) and (
            self.closes_after_s is None or left >= timedelta(seconds=self.closes_after_s)
        )


@dataclass(frozen=True, slots=True)
class Breakers:
    """What disarms a rule. fills_per_min: above it; loss_per_day: dollars, at today's values; lapses_in_row: lapsed
    or missed; feed_stale: as long as that; refused_per_min: quotes refused for the rate."""

    fills_per_min: int = 10
    loss_per_day: Decimal = Decimal(100)
    lapses_in_row: int = 3
    feed_stale: timedelta = timedelta(seconds=5)
    refused_per_min: int = 3


@dataclass(frozen=True, slots=True)
class RuleTerms:
    """A rule, read. lasts: a quote's own time-out. reprice_move: how far fair value may move, dollars; None: not
    followed. max_move: of the last look. delay: after the request was heard."""

    match: Match
    source: FairSource
    quoting: Terms
    lasts: timedelta
    policy: Policy
    max_move: Decimal | None = None
    reprice_move: Decimal | None = None
    delay: timedelta = timedelta()
    post_only: bool = False
    rest_remainder: bool = False
    breakers: Breakers = Breakers()


def terms_from(raw: Any) -> RuleTerms:
    """Read a rule's terms. Raises DeskError `bad_terms` with words per field ("match.max_legs", "edge_yes")."""
    if not isinstance(raw, Mapping):
        raise DeskError("bad_terms", "A rule has terms.", fields={"terms": NEEDED})
    faults: dict[str, str] = {}
    values = _read(raw, _TERMS, faults)
    match = _read(raw.get("match") or {}, _MATCH, faults, prefix="match.")
    breakers = _read(raw.get("breakers") or {}, _BREAKERS, faults, prefix="breakers.")
    for name in ("fair", "edge_yes", "edge_no", "max_contracts", "max_open", "max_at_risk", "ttl_s", "policy"):
        if name not in values:
            faults.setdefault(name, NEEDED)
    if not faults:
        _agree(values, match, faults)
    if faults:
        text = "The rule has fields that cannot stand: " + ", ".join(faults)
        raise DeskError("bad_terms", text, fields=faults)
    return RuleTerms(
        match=Match(**match),
        source=FairSource(values["fair"]),
        quoting=Terms(
            pricing=Pricing(
                edge_yes=values["edge_yes"],
                edge_no=values["edge_no"],
                is_percent=values.get("edge_unit") == "percent",
                min_width=values.get("min_width", ZERO),
                skew_per_100=values.get("skew_per_100", ZERO),
                skew_most=values.get("skew_most", ZERO),
                sides=Sides(values.get("sides", "both")),
            ),
            caps=Caps(
                max_contracts=values["max_contracts"],
                max_position=values.get("max_position"),
                max_open=values["max_open"],
                max_at_risk=values["max_at_risk"],
            ),
            max_age=timedelta(seconds=values.get("max_age_s", 15)),
            never_alone=values.get("never_alone", False),
            active_from=values.get("active_from"),
            active_until=values.get("active_until"),
        ),
        lasts=timedelta(seconds=values["ttl_s"]),
        policy=Policy(values["policy"]),
        max_move=values.get("max_move"),
        reprice_move=values.get("reprice_move"),
        delay=timedelta(milliseconds=values.get("delay_ms", 0)),
        post_only=values.get("post_only", False),
        rest_remainder=values.get("rest_remainder", False),
        breakers=Breakers(**breakers),
    )


def _agree(values: Mapping[str, Any], match: Mapping[str, Any], faults: dict[str, str]) -> None:
    """Check what fields say together."""
    combos = match.get("combos", "any")
    for least, most in (("min_legs", "max_legs"), ("min_contracts", "max_contracts"), ("min_cost", "max_cost")):
        if least in match and most in match and match[least] > match[most]:
            faults[f"match.{least}"] = "The least is more than the most."
    if values["fair"] in (FairSource.LEGS, FairSource.BOUNDS) and combos != "only":
        faults["fair"] = "Only combos have legs: let the rule match only combos."
    if values.get("edge_unit") == "percent":
        for name in ("edge_yes", "edge_no"):
            if values[name] > 100:
                faults[name] = "At most 100 percent."
    elif max(values["edge_yes"], values["edge_no"]) >= 1:
        faults["edge_yes"] = "An edge is below 1 dollar. In cents: 2 cents are 0.02."
    if values["policy"] == Policy.AUTO and values.get("max_move") is None:
        faults["max_move"] = "Confirming by itself needs a bound: how far may fair value move against us?"
    if values["policy"] == Policy.MANUAL and combos != "none" and values.get("insist_manual") is not True:
        faults["policy"] = (
            f"A combo leaves {int(HIGH_VOLATILITY.confirm.total_seconds())} s to confirm: by hand it will nearly"
            " always lapse. Choose auto, match no combos, or insist."
        )
    window = HIGH_VOLATILITY.confirm if combos == "only" else STANDARD.confirm
    if values["ttl_s"] < window.total_seconds():
        faults["ttl_s"] = f"Shorter than the confirmation window of {int(window.total_seconds())} s."
    if ("active_from" in values) != ("active_until" in values):
        faults["active_from"] = "Give both hours, or neither."
    if values.get("skew_per_100", ZERO) and not values.get("skew_most"):
        faults["skew_most"] = "Say how far inventory may move the price at most."
    if values.get("skew_per_100", ZERO) >= 1 or values.get("skew_most", ZERO) >= 1:
        faults["skew_per_100"] = "Below 1 dollar."


def _read(
    raw: Any, readers: Mapping[str, Callable[[Any], Any]], faults: dict[str, str], *, prefix: str = ""
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if not isinstance(raw, Mapping):
        faults[prefix.rstrip(".")] = "These are fields with values."
        return values
    for name, value in raw.items():
        reader = readers.get(str(name))
        if reader is None:
            if prefix or name not in ("match", "breakers"):
                faults[f"{prefix}{str(name)[:60]}"] = "A rule has no such field."
        elif value is not None and value != "":
            try:
                values[str(name)] = reader(value)
            except (WireFormatError, ValueError) as exc:
                faults[f"{prefix}{name}"] = str(exc)
    return values


def _positive(reader: Callable[[Any], Decimal]) -> Callable[[Any], Decimal]:
    def read(raw: Any) -> Decimal:
        value = reader(raw)
        if not value:
            raise ValueError("This is above zero.")
        return value

    return read


def _hour(raw: Any) -> time:
    try:
        return datetime.strptime(raw, "%H:%M").time()  # noqa: DTZ007 - an hour of the day in UTC, no moment
    except (TypeError, ValueError) as exc:
        raise ValueError("An hour in UTC, for example 09:30.") from exc


_COUNT = decimal_from(parse_count)
_MONEY = decimal_from(parse_dollars)
_PRICE = decimal_from(parse_price)
_MATCH: dict[str, Callable[[Any], Any]] = {
    "series": names_from,
    "collections": names_from,
    "requesters": names_from,
    "combos": word_from(COMBOS),
    "min_legs": number_from(0, 100),
    "max_legs": number_from(0, 100),
    "min_contracts": _COUNT,
    "max_contracts": _COUNT,
    "min_cost": _MONEY,
    "max_cost": _MONEY,
    "closes_within_s": number_from(1, 366 * 86_400),
    "closes_after_s": number_from(1, 366 * 86_400),
}
_TERMS: dict[str, Callable[[Any], Any]] = {
    "fair": word_from(tuple(FairSource)),
    "edge_yes": _MONEY,
    "edge_no": _MONEY,
    "edge_unit": word_from(UNITS),
    "min_width": _PRICE,
    "skew_per_100": _MONEY,
    "skew_most": _MONEY,
    "sides": word_from(tuple(Sides)),
    "max_contracts": _positive(_COUNT),
    "max_position": _positive(_COUNT),
    "max_open": number_from(1, 100),
    "max_at_risk": _positive(_MONEY),
    "ttl_s": number_from(3, 3_600),
    "max_age_s": number_from(1, 86_400),
    "reprice_move": _positive(_PRICE),
    "never_alone": bool_from,
    "delay_ms": number_from(0, 10_000),
    "active_from": _hour,
    "active_until": _hour,
    "policy": word_from(tuple(Policy)),
    "insist_manual": bool_from,
    "max_move": _PRICE,
    "post_only": bool_from,
    "rest_remainder": bool_from,
}
_BREAKERS: dict[str, Callable[[Any], Any]] = {
    "fills_per_min": number_from(1, 1_000),
    "loss_per_day": _positive(_MONEY),
    "lapses_in_row": number_from(1, 100),
    "feed_stale": lambda raw: timedelta(seconds=number_from(1, 60)(raw)),
    "refused_per_min": number_from(1, 1_000),
}
