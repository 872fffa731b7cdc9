"""The figures of the analytics page as CSV (RFC 4180): one line per figure, with its n and whether that is few."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import fields
from decimal import Decimal
from io import StringIO

from apps.orders.pages.export import safe_cell
from apps.rfq.selectors.analytics import MakerFigures, RequesterFigures
from apps.rfq.services.analytics import ENOUGH, Ratio, Spread

HEADS = ("part", "figure", "measure", "value", "unit", "n", "is_few")
Cells = tuple[str, str, str, Decimal | int | None, str, int | None]
_SPANS = "ms"
_DOLLARS = "dollars a contract"


def figures_csv(requester: RequesterFigures, maker: MakerFigures) -> str:
    """Return the whole file. A value that is not known is empty; times in ms, money in dollars."""
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow(HEADS)
    for part, figure, measure, value, unit, n in (*_requester(requester), *_maker(maker)):
        few = "" if n is None else "yes" if n < ENOUGH else "no"
        number = "" if value is None else f"{value:f}" if isinstance(value, Decimal) else value
        writer.writerow([part, safe_cell(figure), safe_cell(measure), number, unit, "" if n is None else n, few])
    return file.getvalue()


def _requester(figures: RequesterFigures) -> Iterator[Cells]:
    part = "requester"
    yield part, "requests", "count", figures.requests, "", None
    yield part, "reached the exchange", "count", figures.opened, "", None
    yield part, "quotes per request", "mean", figures.quotes_per_request, "", figures.opened
    for name, ratio in (("quoted", figures.quoted), ("accepted", figures.accepted), ("lapsed", figures.lapsed)):
        yield from _ratio(part, name, ratio)
    spans = (("first quote", figures.first_quote), ("taken quote", figures.taken_quote), ("confirm", figures.confirm))
    for name, spread in spans:
        yield from _spread(part, name, spread, _SPANS)
    yield from _spread(part, "improvement", figures.improvement, _DOLLARS)
    yield part, "improvement", "total", figures.improvement_total, "dollars", figures.improvement.n
    yield part, "fees", "total", figures.fees, "dollars", figures.trades


def _maker(figures: MakerFigures) -> Iterator[Cells]:
    part = "maker"
    for step in figures.funnel:
        yield part, f"funnel: {step.name}", "count", step.count, "", None
        if step.kept is not None:
            yield part, f"funnel: {step.name}", "share of the step before", step.kept.share, "", step.kept.n
    yield part, "stream: did not fit", "count", figures.dropped, "", None
    yield from _ratio(part, "hits", figures.hits)
    yield from _ratio(part, "confirmed of decided", figures.confirmed)
    yield part, "windows missed", "count", figures.missed, "", None
    spans = (("response", figures.response), ("decision", figures.decision), ("slack", figures.slack))
    for name, spread in spans:
        yield from _spread(part, name, spread, _SPANS)
    for name, reasons in (("passed", figures.passes), ("refused", figures.refusals), ("lapsed", figures.lapses)):
        yield from _reasons(part, name, reasons)
    for mark in figures.markouts:
        yield from _spread(part, f"markout {mark.horizon}", mark.gain, _DOLLARS)
        yield from _reasons(part, f"no markout {mark.horizon}", mark.missing)
    for rule in figures.rules:
        name = f"rule {rule.name}"
        yield part, name, "quoted", rule.quoted, "", None
        yield from _ratio(part, f"{name}: won", rule.won)
        yield part, name, "executed", rule.executed, "", None
        yield from _spread(part, f"{name}: markout 10 min", rule.markout, _DOLLARS)


def _ratio(part: str, name: str, ratio: Ratio) -> Iterator[Cells]:
    yield part, name, "count", ratio.part, "", ratio.n
    yield part, name, "share", ratio.share, "", ratio.n


def _spread(part: str, name: str, spread: Spread[int] | Spread[Decimal], unit: str) -> Iterator[Cells]:
    for one in fields(spread):
        if one.name != "n":
            yield part, name, one.name, getattr(spread, one.name), unit, spread.n


def _reasons(part: str, name: str, reasons: Iterable[tuple[str, int]]) -> Iterator[Cells]:
    return ((part, name, f"because {reason}", count, "", None) for reason, count in reasons)
