"""Saved filters of the incoming stream: read from a form, and asked of each request. What they hide is counted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, Q, QuerySet

from apps.accounts.access import account_get
from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound, WireFormatError
from apps.core.money import parse_count, parse_dollars
from apps.core.permissions import Actor, Permission
from apps.orders.access import require
from apps.rfq.models import StreamFilter
from apps.rfq.reports import RfqReport

MOST = 100  # filters of one person and environment
LONGEST_LIST = 200
MAX_NAME = 60
COMBOS = ("any", "only", "none")


@dataclass(frozen=True, slots=True)
class Criteria:
    """What of the stream is wanted; what is empty or None does not filter. Dollars, contracts, seconds.

    series: of the market, or of any leg. with_fair: only what the desk has a fair value of. quoted_before: only
    markets that the account has quoted on.
    """

    series: frozenset[str] = frozenset()
    collections: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    max_legs: int | None = None
    min_contracts: Decimal | None = None
    max_contracts: Decimal | None = None
    min_cost: Decimal | None = None
    max_cost: Decimal | None = None
    closes_within_s: int | None = None
    combos: str = "any"
    with_fair: bool = False
    quoted_before: bool = False
    text: str = ""

    @property
    def needs_market(self) -> bool:
        return bool(self.categories or self.closes_within_s is not None or self.text)


@dataclass(frozen=True, slots=True)
class Known:
    """What the desk knows of a request's market, for the criteria that the message itself cannot answer."""

    category: str = ""
    title: str = ""
    closes_at: datetime | None = None
    has_fair: bool = False
    is_quoted_before: bool = False


NOTHING_KNOWN = Known()


def series_of(report: RfqReport) -> set[str]:
    """The series of a market and of its legs: a ticker begins with its series (docs: terms)."""
    tickers = [report.ticker, *(leg["market_ticker"] for leg in report.legs)]
    return {ticker.partition("-")[0] for ticker in tickers}


def is_wanted(criteria: Criteria, report: RfqReport, known: Known, *, now: datetime) -> bool:
    """Say whether a filter shows a request. What is not known does not pass a filter that asks for it."""
    is_combo = bool(report.legs)
    if (criteria.combos == "only" and not is_combo) or (criteria.combos == "none" and is_combo):
        return False
    if criteria.max_legs is not None and len(report.legs) > criteria.max_legs:
        return False
    if criteria.collections and report.collection not in criteria.collections:
        return False
    if criteria.series and not criteria.series & series_of(report):
        return False
    if not within(report.contracts, criteria.min_contracts, criteria.max_contracts):
        return False
    if not within(report.target_cost, criteria.min_cost, criteria.max_cost):
        return False
    if criteria.categories and known.category not in criteria.categories:
        return False
    if criteria.closes_within_s is not None:
        horizon = timedelta(seconds=criteria.closes_within_s)
        if known.closes_at is None or not now <= known.closes_at <= now + horizon:
            return False
    if criteria.text and criteria.text.casefold() not in f"{report.ticker} {known.title}".casefold():
        return False
    return (known.has_fair or not criteria.with_fair) and (known.is_quoted_before or not criteria.quoted_before)


def within(value: Decimal | None, least: Decimal | None, most: Decimal | None) -> bool:
    """A request has contracts or a cost; bounds of the other kind do not concern it."""
    if value is None:
        return True
    return (least is None or value >= least) and (most is None or value <= most)


def criteria_from(raw: Any) -> Criteria:
    """Read criteria as JSON. Raises DeskError `bad_input` with words per field; unknown fields are refused."""
    if not isinstance(raw, Mapping):
        raise DeskError("bad_input", "A filter has criteria.", fields={"criteria": "Say what to show."})
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, value in raw.items():
        reader = _READERS.get(str(name))
        if reader is None:
            faults[str(name)[:60]] = "A filter has no such field."
        elif value is not None and value != "":
            try:
                values[str(name)] = reader(value)
            except (WireFormatError, ValueError) as exc:
                faults[str(name)] = str(exc)
    for kind in ("contracts", "cost"):
        least, most = values.get(f"min_{kind}"), values.get(f"max_{kind}")
        if least is not None and most is not None and least > most:
            faults[f"min_{kind}"] = "The least is more than the most."
    if faults:
        raise DeskError("bad_input", "Some fields cannot be read: " + "; ".join(faults), fields=faults)
    return Criteria(**values)


def criteria_stored(raw: Mapping[str, Any]) -> Criteria:
    """Criteria of a stored filter; a field that can no longer be read does not filter."""
    try:
        return criteria_from(raw)
    except DeskError as exc:
        return criteria_from({name: value for name, value in raw.items() if name not in exc.fields})


def as_json(criteria: Criteria) -> dict[str, Any]:
    """What is stored: only what differs from "no filter"."""
    stored: dict[str, Any] = {}
    for one in fields(criteria):
        value = getattr(criteria, one.name)
        if value != one.default:
            stored[one.name] = sorted(value) if isinstance(value, frozenset) else _plain(value)
    return stored


def filters_visible_to(actor: Actor, *, environment: str) -> QuerySet[StreamFilter]:
    """One's own, and those of the whole desk. Raises NotAllowed."""
    require(actor, Permission.DESK_VIEW)
    rows = StreamFilter.objects.filter(Q(owner=None) | Q(owner_id=actor.user_id), desk_id=actor.desk_id)
    return rows.filter(environment=environment).order_by("name", "pk")


def filter_save(
    actor: Actor, *, name: str, criteria: Criteria, filter_id: int | None = None, is_shared: bool = False
) -> StreamFilter:
    """Store or change a filter, of the selected account's environment. Raises NotAllowed, NotFound, DeskError."""
    require(actor, Permission.RFQ_TRADE)
    environment = environment_of(actor)
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise DeskError("bad_input", "Give the filter a name.", fields={"name": f"1 to {MAX_NAME} characters."})
    visible = filters_visible_to(actor, environment=environment)
    row = None if filter_id is None else visible.filter(pk=filter_id).first()
    if filter_id is not None and row is None:
        raise NotFound("This filter does not exist, or it is another person's.")
    if row is None and visible.count() >= MOST:
        raise DeskError("too_many_filters", f"At most {MOST} filters. Remove one.")
    owner_id = None if is_shared else actor.user_id
    taken = StreamFilter.objects.filter(desk_id=actor.desk_id, environment=environment, owner_id=owner_id, name=name)
    text = "There is a filter of this name already."
    try:
        with transaction.atomic():
            # SQL takes any number of shared ones of one name: their owner is null.
            if taken.exclude(pk=0 if row is None else row.pk).exists():
                raise DeskError("name_taken", text, fields={"name": text})
            if row is None:
                row = StreamFilter(desk_id=actor.desk_id, environment=environment, version=0)
            row.name, row.owner_id, row.criteria = name, owner_id, as_json(criteria)
            row.version += 1
            row.save()
            _record(actor, "rfq.filter.saved", row)
    except IntegrityError as exc:
        raise DeskError("name_taken", text, fields={"name": text}) from exc
    return row


def filter_remove(actor: Actor, filter_id: int) -> int:
    """Remove a filter: one's own, or one of the desk. Raises NotAllowed, NotFound, DeskError `filter_used`."""
    require(actor, Permission.RFQ_TRADE)
    row = filters_visible_to(actor, environment=environment_of(actor)).filter(pk=filter_id).first()
    if row is None:
        raise NotFound("This filter does not exist, or it is another person's.")
    try:
        with transaction.atomic():
            _record(actor, "rfq.filter.removed", row)
            row.delete()
    except ProtectedError as exc:
        # Without it the rule would tell of every request, or of none, and nobody would know which.
        text = "An alert rule tells by this filter. Change or remove that rule first."
        raise DeskError("filter_used", text) from exc
    return filter_id


def filter_row(row: StreamFilter) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "criteria": row.criteria,
        "is_shared": row.owner_id is None,
        "version": row.version,
    }


def environment_of(actor: Actor) -> str:
    """The environment of the selected account. Raises DeskError `no_account`."""
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    environment: str = account_get(actor, actor.account_id).environment
    return environment


def _record(actor: Actor, action: str, row: StreamFilter) -> None:
    audit.record(
        action,
        actor_id=actor.user_id,
        desk_id=row.desk_id,
        environment=row.environment,
        target=f"rfq_filter:{row.pk}",
        data={"name": row.name, "criteria": row.criteria, "is_shared": row.owner_id is None},
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def names_from(raw: Any) -> frozenset[str]:
    """A list of tickers or other names of the exchange. Raises ValueError."""
    if not isinstance(raw, list) or len(raw) > LONGEST_LIST:
        raise ValueError(f"A list of at most {LONGEST_LIST} names.")
    if not all(isinstance(one, str) and 0 < len(one.strip()) <= 120 and one.isprintable() for one in raw):
        raise ValueError("These are not names of the exchange.")
    return frozenset(one.strip() for one in raw)


def number_from(least: int, most: int) -> Callable[[Any], int]:
    def read(raw: Any) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int) or not least <= raw <= most:
            raise ValueError(f"A whole number from {least:,} to {most:,}.")
        return raw

    return read


def decimal_from(parse: Callable[[str], Decimal]) -> Callable[[Any], Decimal]:
    """Decimal text, not below zero: a JSON number has been through a binary float on its way here."""

    def read(raw: Any) -> Decimal:
        if not isinstance(raw, str):
            raise ValueError("Give the number as text, for example 0.02.")
        value = parse(raw)
        if value < 0:
            raise ValueError("This cannot be below zero.")
        return value

    return read


def word_from(words: tuple[str, ...]) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        if raw not in words:
            raise ValueError(f"One of: {', '.join(words)}.")
        return str(raw)

    return read


def bool_from(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("Say true or false.")
    return raw


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or len(raw) > 120 or not raw.isprintable():
        raise ValueError("At most 120 characters.")
    return raw.strip()


_READERS: dict[str, Callable[[Any], Any]] = {
    "series": names_from,
    "collections": names_from,
    "categories": names_from,
    "max_legs": number_from(0, 100),
    "min_contracts": decimal_from(parse_count),
    "max_contracts": decimal_from(parse_count),
    "min_cost": decimal_from(parse_dollars),
    "max_cost": decimal_from(parse_dollars),
    "closes_within_s": number_from(1, 366 * 86_400),
    "combos": word_from(COMBOS),
    "with_fair": bool_from,
    "quoted_before": bool_from,
    "text": _text,
}
