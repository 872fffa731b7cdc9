"""Incentive programs and changes of fees."""

from uuid import NAMESPACE_URL, uuid5

from apps.core.money import format_count_units
from apps.paper.engine.catalogue import Series
from apps.paper.engine.fees import FeeSchedule
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import Response
from apps.paper.server.shapes import Json, time_text
from apps.paper.world.incentives import Program, programs

STATUSES = ("all", "active", "upcoming", "closed", "paid_out")
KINDS = ("all", "liquidity", "volume")


def program_json(program: Program, *, now_ms: int) -> Json:
    shape: Json = {
        "id": program.program_id,
        "market_id": program.market.market_id,
        "market_ticker": program.market.ticker,
        "incentive_type": program.kind,
        "incentive_description": program.description,
        "start_date": time_text(program.start_ms),
        "end_date": time_text(program.end_ms),
        "period_reward": program.reward,
        "paid_out": program.status(now_ms) == "paid_out",
        "discount_factor_bps": program.discount_bps,
    }
    if program.target_size is not None:
        shape["target_size_fp"] = format_count_units(program.target_size)
    return shape


def incentive_programs(core: Core, call: Call) -> Response:
    query = call.request.query
    now_ms = core.clock.now_ms()
    status, kind = params.choice(query, "status", STATUSES), params.choice(query, "type", KINDS)
    description = params.text(query, "incentive_description")
    size = params.limit(query, default=100, maximum=10_000)
    rows = [
        program
        for program in programs(core.exchange)
        if status in (None, "all", program.status(now_ms))
        and kind in (None, "all", program.kind)
        and description in (None, program.description)
    ]
    shown, cursor = params.page_by_key(rows, query, size=size, key=_place)
    body = {"incentive_programs": [program_json(row, now_ms=now_ms) for row in shown], "next_cursor": cursor}
    return Response.json(body)


def _place(program: Program) -> str:
    return f"{program.market.ticker}/{program.start_ms}"


def fee_changes(core: Core, call: Call) -> Response:
    """Changes that are still to come; `show_historical`: all of them."""
    query = call.request.query
    ticker, historical = params.text(query, "series_ticker"), params.flag(query, "show_historical")
    now_ms = core.clock.now_ms()
    rows = [
        (series, change)
        for series in core.catalogue.series_all()
        if ticker in (None, series.ticker)
        for change in series.fee_changes
        if historical or change.from_ms > now_ms
    ]
    rows.sort(key=lambda row: (row[1].from_ms, row[0].ticker))
    return Response.json({"series_fee_change_arr": [_fee_change_json(series, change) for series, change in rows]})


def _fee_change_json(series: Series, change: FeeSchedule) -> Json:
    return {
        "id": str(uuid5(NAMESPACE_URL, f"paper-exchange/fee-changes/{series.ticker}/{change.from_ms}")),
        "series_ticker": series.ticker,
        "fee_type": change.fee_type,
        "fee_multiplier": float(change.multiplier),
        "scheduled_ts": time_text(change.from_ms),
    }


OPERATIONS = [
    Operation("GET", "/incentive_programs", incentive_programs, access="public"),
    Operation("GET", "/series/fee_changes", fee_changes, access="public"),
]
