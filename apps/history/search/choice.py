"""What somebody searches for, read from an address, a form or a call of the data API."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from apps.core.errors import DeskError
from apps.core.money import COUNT_PLACES, PRICE_PLACES, to_units
from apps.history.search.sources import ELSEWHERE, SIDES, SOURCES, Source

_TEXT_AT_MOST = 120
_CENT_PLACES = PRICE_PLACES - 2
_WHOLE = re.compile(r"[0-9]{1,18}")
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Choice:
    """Filters, each as it was typed and checked; "" is no filter. `zone` says what a day of `first` and `last` is.

    text: of a market: how its ticker begins (so of its event or series, too), or words of its title.
    record: an exact id of an order, a trade, a request or a quote.
    person: a user's row id, or "external". size: contracts. price: cents of the YES leg.
    """

    kind: str
    account: str = ""
    subaccount: str = ""
    text: str = ""
    record: str = ""
    side: str = ""
    state: str = ""
    person: str = ""
    source: str = ""
    first: str = ""
    last: str = ""
    size_from: str = ""
    size_to: str = ""
    price_from: str = ""
    price_to: str = ""
    zone: str = "UTC"

    @property
    def of(self) -> Source:
        return SOURCES[self.kind]

    @property
    def start(self) -> datetime | None:
        return _midnight(date.fromisoformat(self.first), self.zone) if self.first else None

    @property
    def end(self) -> datetime | None:
        """The first instant after it."""
        return _midnight(date.fromisoformat(self.last) + timedelta(days=1), self.zone) if self.last else None

    @property
    def size_range(self) -> tuple[Decimal | None, Decimal | None]:
        """Contracts."""
        return _amount(self.size_from), _amount(self.size_to)

    @property
    def price_range(self) -> tuple[Decimal | None, Decimal | None]:
        """Dollars of the YES leg."""
        low, high = _amount(self.price_from), _amount(self.price_to)
        return None if low is None else low / 100, None if high is None else high / 100

    @property
    def is_narrowed(self) -> bool:
        return self != Choice(self.kind, zone=self.zone)

    def values(self) -> dict[str, str]:
        """The choice as names and values of the form, without what is empty."""
        found = {_ARGUMENTS[one.name]: getattr(self, one.name) for one in fields(self) if one.name != "zone"}
        return {name: value for name, value in found.items() if value}

    def query(self, **over: str) -> str:
        """Return the choice as a query string, another kind's filters left out where `kind` is given."""
        return urlencode({name: value for name, value in (self.values() | over).items() if value})

    def for_kind(self, kind: str) -> "Choice":
        """The same search in another kind of record: what that kind cannot say is dropped."""
        return replace(_without_strangers(self, SOURCES[kind]), kind=kind)


# Field -> name in addresses and forms.
_ARGUMENTS = {
    "kind": "kind",
    "account": "account",
    "subaccount": "subaccount",
    "text": "q",
    "record": "id",
    "side": "side",
    "state": "state",
    "person": "person",
    "source": "source",
    "first": "from",
    "last": "to",
    "size_from": "size_from",
    "size_to": "size_to",
    "price_from": "price_from",
    "price_to": "price_to",
}
_SOURCE_WORDS = re.compile(r"[a-z_]{1,12}")


def choice_from(values: Mapping[str, Any], *, zone: str, kind: str = "") -> Choice:
    """Read a choice; a filter that the kind of record does not know is left out.

    Raises DeskError `bad_input` with what is not a choice, by name of the form.
    """
    typed = {name: str(values.get(name, "")).strip()[:_TEXT_AT_MOST] for name in _ARGUMENTS.values()}
    kind = kind or typed["kind"] or "orders"
    if kind not in SOURCES:
        raise DeskError("bad_input", "There is no such kind of record.", fields={"kind": "Choose one of the list."})
    chosen = Choice(**{one: typed[name] for one, name in _ARGUMENTS.items() if one != "kind"}, kind=kind, zone=zone)
    chosen = _without_strangers(chosen, chosen.of)
    faults = dict(_faults(chosen))
    if faults:
        raise DeskError("bad_input", " ".join(dict.fromkeys(faults.values())), fields=faults)
    return chosen


def _without_strangers(chosen: Choice, source: Source) -> Choice:
    known = {
        "subaccount": bool(source.subaccount),
        "side": bool(source.side),
        "state": chosen.state in source.states,
        "person": bool(source.people),
        "source": bool(source.source),
        "size_from": bool(source.size),
        "size_to": bool(source.size),
        "price_from": bool(source.price),
        "price_to": bool(source.price),
        "record": bool(source.ids),
    }
    if chosen.kind == source.kind:
        known["state"] = bool(source.states)
    return replace(chosen, **{name: "" for name, is_known in known.items() if not is_known})


def _faults(chosen: Choice) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if any("\x00" in getattr(chosen, name) for name in _ARGUMENTS):
        found["q"] = "This cannot be searched for."
    if chosen.account and not _WHOLE.fullmatch(chosen.account):
        found["account"] = "Choose an account from the list."
    if chosen.subaccount and not (_WHOLE.fullmatch(chosen.subaccount) and int(chosen.subaccount) < 2**15):
        found["subaccount"] = "A subaccount is a whole number from 0."
    if chosen.side and chosen.side not in SIDES:
        found["side"] = f"A side is one of {', '.join(SIDES)}."
    if chosen.state and chosen.state not in chosen.of.states:
        found["state"] = f"A state is one of {', '.join(chosen.of.states)}."
    if chosen.person and chosen.person != ELSEWHERE and not _WHOLE.fullmatch(chosen.person):
        found["person"] = "Choose a person from the list."
    if chosen.person == ELSEWHERE and chosen.of.elsewhere is None:
        found["person"] = "Choose a person from the list."
    if chosen.source and not _SOURCE_WORDS.fullmatch(chosen.source):
        found["source"] = "A source is one word."
    for name in ("first", "last"):
        if getattr(chosen, name) and not _is_day(getattr(chosen, name)):
            found[_ARGUMENTS[name]] = "Give a day as 2026-11-21."
    if not found and chosen.first and chosen.last and chosen.first > chosen.last:
        found["from"] = "The first day is after the last one."
    for name, places in (
        ("size_from", COUNT_PLACES),
        ("size_to", COUNT_PLACES),
        ("price_from", _CENT_PLACES),
        ("price_to", _CENT_PLACES),
    ):
        if getattr(chosen, name) and not _is_amount(getattr(chosen, name), places):
            what = "contracts, as 10 or 2.50" if name.startswith("size") else "cents, as 55 or 5.5"
            found[name] = f"Give {what}."
    return found


def _is_day(text: str) -> bool:
    try:
        return 2000 <= date.fromisoformat(text).year <= 2200 and len(text) == 10
    except ValueError:
        return False


def _is_amount(text: str, places: int) -> bool:
    if not _AMOUNT.fullmatch(text):
        return False
    try:
        to_units(Decimal(text), places)
    except (ValueError, InvalidOperation):
        return False
    return True


def _amount(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
