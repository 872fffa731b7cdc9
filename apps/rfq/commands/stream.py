"""Socket commands and the topic of the incoming stream (docs/rfq.md)."""

from collections.abc import Mapping
from typing import Any

from apps.core import ports
from apps.core.errors import DeskError
from apps.core.money import format_price
from apps.core.permissions import Actor, Permission
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.rfq.events.incoming import KIND
from apps.rfq.services import filters, marks, stream, stream_job
from apps.rfq.services.fair import FairSource

Params = Mapping[str, Any]
Answer = dict[str, Any]


def filter_save(actor: Actor, params: Params) -> Answer:
    """{"name", "criteria", "filter"? (its id, to change it), "is_shared"?}. Answer: {"filter": row}."""
    name, is_shared = params.get("name"), params.get("is_shared", False)
    if not isinstance(name, str):
        raise DeskError("bad_input", "Give the filter a name.", fields={"name": "This is needed."})
    if not isinstance(is_shared, bool):
        raise DeskError("bad_input", "Say who sees the filter.", fields={"is_shared": "Say true or false."})
    filter_id = None if params.get("filter") is None else _number(params)
    criteria = filters.criteria_from(params.get("criteria", {}))
    row = filters.filter_save(actor, name=name, criteria=criteria, filter_id=filter_id, is_shared=is_shared)
    return {"filter": filters.filter_row(row)}


def filter_remove(actor: Actor, params: Params) -> Answer:
    return {"removed": filters.filter_remove(actor, _number(params))}


def filter_list(actor: Actor, params: Params) -> Answer:
    """{"filters": rows}: one's own and the desk's, of the environment of the selected account."""
    rows = filters.filters_visible_to(actor, environment=filters.environment_of(actor))
    return {"filters": [filters.filter_row(row) for row in rows]}


def fair_set(actor: Actor, params: Params) -> Answer:
    """{"ticker", "yes", "ends_in_s"? (8 h)}: what one YES is worth to the desk."""
    mark = marks.mark_from_params(params)
    marks.marks_set(actor, [mark], FairSource.MANUAL)
    return {"ticker": mark.ticker, "yes": format_price(mark.yes)}


def fair_clear(actor: Actor, params: Params) -> Answer:
    """{"ticker"}: takes back the marks of people and files. Answer: {"cleared": how many}."""
    ticker = params.get("ticker")
    if not isinstance(ticker, str):
        raise DeskError("bad_input", "Say which market.", fields={"ticker": "A market's ticker."})
    return {"cleared": marks.mark_clear(actor, ticker)}


def fair_list(actor: Actor, params: Params) -> Answer:
    return {"marks": marks.marks_of(actor)}


def _number(params: Params) -> int:
    number = params.get("filter")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**63:
        raise DeskError("bad_input", "Say which filter.", fields={"filter": "The number of a filter."})
    return number


def register() -> None:
    """Fill the registries of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("filter.save", Permission.RFQ_TRADE, filter_save))
    register_command(Command("filter.remove", Permission.RFQ_TRADE, filter_remove))
    register_command(Command("filter.list", Permission.DESK_VIEW, filter_list))
    register_command(Command("fair.set", Permission.RFQ_TRADE, fair_set))
    register_command(Command("fair.clear", Permission.RFQ_TRADE, fair_clear))
    register_command(Command("fair.list", Permission.DESK_VIEW, fair_list))
    register_topic(Topic(KIND, Permission.DESK_VIEW, scope="account", mode="whole", is_on_demand=True))
    ports.register_stream_taker("rfq_created", stream.arrivals.created)
    ports.register_stream_taker("rfq_deleted", stream.arrivals.deleted)
    ports.communications_reconcilers.append(stream.stream_read)
    ports.gateway_jobs["rfq-stream"] = stream_job.stream_job
