"""What a person asks for: a request for quotes, read from a form or a socket command. Only its shape is checked."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from apps.core.combos import Leg
from apps.core.errors import DeskError, WireFormatError
from apps.core.money import parse_count, parse_dollars, parse_price
from apps.core.permissions import Actor
from apps.core.rfq import Outcome
from apps.orders.tickets import read_key

MAX_LEGS = 50
MAX_NAME = 120
MAX_NOTE = 300
LONGEST = timedelta(hours=24)  # our own time-out of a request
NEEDED = "This is needed."


@dataclass(frozen=True, slots=True)
class AutoAccept:
    """Take, once, the first quote at or below the limit for `buys` after `after`, of at least so many quotes."""

    buys: Outcome
    min_quotes: int = 1
    after: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as a person says it. Exactly one of contracts and target_cost (dollars).

    ticker is empty for a combo whose market is not known yet; then collection and legs name it.
    """

    idempotency_key: uuid.UUID
    account_id: int
    subaccount: int = 0
    ticker: str = ""
    collection: str = ""
    legs: tuple[Leg, ...] = ()
    contracts: Decimal | None = None
    target_cost: Decimal | None = None
    rest_remainder: bool = False
    replace_existing: bool = False
    limit_yes: Decimal | None = None  # most that we pay, private
    limit_no: Decimal | None = None
    ends_in: timedelta | None = None
    note: str = ""
    auto: AutoAccept | None = None

    @property
    def is_combo(self) -> bool:
        return bool(self.legs)


def ask_from_params(actor: Actor, params: Mapping[str, Any]) -> Ask:
    """Read the parameters of `rfq.send` (docs/rfq.md). The account is the one that is selected.

    Raises:
        DeskError: `bad_input` with every field that cannot be read, `no_account`, or `account_changed`.
    """
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    for name, selected in (("account_id", actor.account_id), ("subaccount", actor.subaccount)):
        if params.get(name) not in (None, "", selected, str(selected)):
            raise DeskError(
                "account_changed",
                "Another account was selected since this ticket was opened. Look at the top bar, then send again.",
            )
    reader = _Reader(params)
    collection, legs = reader.read("combo", combo_from, ("", ()))
    ask = Ask(
        idempotency_key=reader.read("idempotency_key", read_key, uuid.UUID(int=0)),
        account_id=actor.account_id,
        subaccount=actor.subaccount,
        ticker=reader.read("ticker", name_from, ""),
        collection=collection,
        legs=legs,
        contracts=reader.read("contracts", text_of(parse_count)),
        target_cost=reader.read("target_cost", text_of(parse_dollars)),
        rest_remainder=reader.read("rest_remainder", flag_from, False),
        replace_existing=reader.read("replace_existing", flag_from, False),
        limit_yes=reader.read("limit_yes", text_of(parse_price)),
        limit_no=reader.read("limit_no", text_of(parse_price)),
        ends_in=reader.read("ends_in_s", _seconds),
        note=reader.read("note", _note, ""),
        auto=reader.read("auto", auto_from),
    )
    if not params.get("idempotency_key"):
        reader.faults.setdefault("idempotency_key", NEEDED)
    if not ask.ticker and not ask.legs:
        reader.faults.setdefault("ticker", "Choose a market, or build a combo.")
    if (ask.contracts is None) == (ask.target_cost is None) and not reader.faults.keys() & {"contracts", "target_cost"}:
        reader.faults["contracts"] = "Give either a number of contracts or a target cost, not both and not neither."
    if ask.auto is not None and (ask.limit_yes if ask.auto.buys is Outcome.YES else ask.limit_no) is None:
        reader.faults["auto"] = f"Taking {ask.auto.buys.upper()} by itself needs a limit for {ask.auto.buys.upper()}."
    reader.refuse()
    return ask


def combo_from(raw: Any) -> tuple[str, tuple[Leg, ...]]:
    """Read {"collection", "legs": [{"event_ticker", "market_ticker", "side"}]}. Raises ValueError."""
    if not isinstance(raw, Mapping):
        raise ValueError("A combo has a collection and legs.")
    legs = raw.get("legs")
    if not isinstance(legs, list) or not 1 <= len(legs) <= MAX_LEGS:
        raise ValueError(f"A combo has 1 to {MAX_LEGS} legs.")
    return name_from(raw.get("collection")), tuple(map(_leg, legs))


def _leg(raw: Any) -> Leg:
    if not isinstance(raw, Mapping):
        raise ValueError("A leg has an event, a market and a side.")
    side = raw.get("side")
    if side not in ("yes", "no"):
        raise ValueError("The side of a leg is yes or no.")
    return Leg(name_from(raw.get("event_ticker")), name_from(raw.get("market_ticker")), side)


def name_from(raw: Any) -> str:
    """A ticker or another name of the exchange. Raises ValueError."""
    if not isinstance(raw, str) or not 0 < len(raw) <= MAX_NAME or not raw.isprintable():
        raise ValueError("This is not a name of the exchange.")
    return raw


def text_of(parse: Callable[[str], Decimal]) -> Callable[[Any], Decimal]:
    """Return `parse` for decimal text only: a JSON number has been through a binary float on its way here."""

    def read(raw: Any) -> Decimal:
        if not isinstance(raw, str):
            raise ValueError("Give the number as text, for example 0.56.")
        return parse(raw)

    return read


def flag_from(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("Say true or false.")
    return raw


def _note(raw: Any) -> str:
    if not isinstance(raw, str) or len(raw) > MAX_NOTE:
        raise ValueError(f"At most {MAX_NOTE} characters.")
    return raw.strip()


def _seconds(raw: Any) -> timedelta:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= LONGEST.total_seconds():
        raise ValueError("Give whole seconds, from 1 to 24 hours.")
    return timedelta(seconds=raw)


def auto_from(raw: Any) -> AutoAccept:
    """Read {"buys", "min_quotes"?, "after_s"?}. Raises ValueError."""
    if not isinstance(raw, Mapping) or raw.get("buys") not in tuple(Outcome):
        raise ValueError("Say which outcome to take: yes or no.")
    quotes, after = raw.get("min_quotes", 1), raw.get("after_s", 0)
    if not isinstance(quotes, int) or isinstance(quotes, bool) or not 1 <= quotes <= 100:
        raise ValueError("The number of quotes to wait for is 1 to 100.")
    if not isinstance(after, int) or isinstance(after, bool) or not 0 <= after <= 3_600:
        raise ValueError("The time to wait is 0 to 3,600 whole seconds.")
    return AutoAccept(Outcome(raw["buys"]), quotes, timedelta(seconds=after))


class _Reader:
    """Reads all fields, and keeps what is wrong with each."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self.faults: dict[str, str] = {}

    def read(self, name: str, reader: Callable[[Any], Any], default: Any = None) -> Any:
        raw = self._params.get(name)
        if raw is None or raw == "":
            return default
        try:
            return reader(raw)
        except (WireFormatError, ValueError) as exc:
            self.faults[name] = str(exc)
            return default

    def refuse(self) -> None:
        if self.faults:
            raise DeskError("bad_input", "Some fields cannot be read: " + "; ".join(self.faults), fields=self.faults)
