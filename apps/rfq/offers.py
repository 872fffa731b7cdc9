"""What a person, or a rule, offers: our quote on a request of somebody else. Only its shape is checked here."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from apps.core.errors import DeskError, WireFormatError
from apps.core.money import parse_price
from apps.core.permissions import Actor
from apps.core.rfq import Policy, QuotePrices
from apps.orders.tickets import read_key
from apps.rfq.asks import NEEDED, flag_from, name_from, text_of

LONGEST = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Offer:
    """Our two bids on one request, dollars per contract; 0: no price on that side.

    rfq_id is the exchange's. max_move: last look, the most that fair value may have moved against us. insists: manual
    confirmation although the window is too short for a person.
    """

    idempotency_key: uuid.UUID
    account_id: int
    rfq_id: str
    prices: QuotePrices
    subaccount: int = 0
    post_only: bool = False
    rest_remainder: bool = False
    policy: Policy = Policy.MANUAL
    max_move: Decimal | None = None
    ends_in: timedelta | None = None
    insists: bool = False


def offer_from_params(actor: Actor, params: Mapping[str, Any]) -> Offer:
    """Read the parameters of `quote.send` (docs/rfq.md). The account is the one that is selected.

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
    faults: dict[str, str] = {}

    def read(name: str, reader: Callable[[Any], Any], *, default: Any = None, is_needed: bool = False) -> Any:
        raw = params.get(name)
        if raw is None or raw == "":
            if is_needed:
                faults[name] = NEEDED
            return default
        try:
            return reader(raw)
        except (WireFormatError, ValueError) as exc:
            faults[name] = str(exc)
            return default

    zero = Decimal(0)
    offer = Offer(
        idempotency_key=read("idempotency_key", read_key, default=uuid.UUID(int=0), is_needed=True),
        account_id=actor.account_id,
        subaccount=actor.subaccount,
        rfq_id=read("rfq_id", name_from, default="", is_needed=True),
        prices=QuotePrices(
            yes_bid=read("yes_bid", text_of(parse_price), default=zero),
            no_bid=read("no_bid", text_of(parse_price), default=zero),
        ),
        post_only=read("post_only", flag_from, default=False),
        rest_remainder=read("rest_remainder", flag_from, default=False),
        policy=read("policy", _policy, default=Policy.MANUAL),
        max_move=read("max_move", text_of(parse_price)),
        ends_in=read("ends_in_s", _seconds),
        insists=read("insists", flag_from, default=False),
    )
    if faults:
        raise DeskError("bad_input", "Some fields cannot be read: " + "; ".join(faults), fields=faults)
    return offer


def _policy(raw: Any) -> Policy:
    try:
        return Policy(str(raw))
    except ValueError as exc:
        raise ValueError("The policy is manual, auto or lapse.") from exc


def _seconds(raw: Any) -> timedelta:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= LONGEST.total_seconds():
        raise ValueError("Give whole seconds, from 1 to 24 hours.")
    return timedelta(seconds=raw)
