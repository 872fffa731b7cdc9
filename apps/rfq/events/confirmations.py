"""Rows of the topic `confirms:<account>`: accepts of our quotes, from the window's begin to the fills."""

from decimal import Decimal

from django.db import transaction

from apps.core.last_look import WAITS, from_json
from apps.core.rfq import HAND_OVER, ConfirmationState, Decision, Outcome, Policy, QuotePrices
from apps.core.topics import TopicName
from apps.exchange import live
from apps.rfq import stored
from apps.rfq.events.quotes import quote_key
from apps.rfq.events.words import Row, count, dollars, legs_rows, ms, person, price, titles_of
from apps.rfq.models import Confirmation

State = ConfirmationState
POLICY_WORDS = {
    Policy.MANUAL: "A person confirms; silence lets it lapse",
    Policy.AUTO: "Confirmed by itself when every check passes",
    Policy.LAPSE: "Never confirmed",
}
_WORDS = {
    State.OPEN: "Confirm, or let it lapse",
    State.CONFIRMING: "Confirming",
    State.CONFIRMED: "Confirmed, executing",
    State.EXECUTED: "Executed",
    State.LAPSED: "Lapsed",
    State.MISSED: "Missed: not confirmed in time",
    State.FAILED: "Confirmed, and not executed",
}
REASONS = {
    "policy": "by its policy",
    "manual": "by decision",
    "no_decision": "nobody decided",
    "no_time": "too little time was left to send a confirmation",
    "withdrawn": "the other side withdrew",
    "late": "heard when the window was over",
    "not_heard": "the desk did not hear of it in time",
    "expired": "the exchange said that the window was over",
    "too_late": "no confirmation came through in time",
    "elsewhere": "decided elsewhere with our key",
    "paused": "trading was paused",
    "right": "who decided may no longer trade",
}


def confirms_topic(account_id: int) -> str:
    return str(TopicName("confirms", str(account_id)))


def confirmation_key(pk: int) -> str:
    return f"confirm:{pk}"


def confirmation_publish(confirmation: Confirmation) -> None:
    """Tell the browsers after the commit, as it stands then."""
    pk = confirmation.pk

    def build() -> None:
        fresh = stored.confirmation_shown(pk)
        topic = confirms_topic(fresh.quote.account_id)
        live.publish_rows(topic, {confirmation_key(pk): confirmation_row(fresh)})

    transaction.on_commit(build)


def confirmation_row(confirmation: Confirmation) -> Row:
    quote = confirmation.quote
    incoming = quote.incoming
    titles = titles_of(incoming.environment, [quote.ticker, *(leg["market_ticker"] for leg in incoming.legs)])
    look = from_json(confirmation.inputs["look"]) if confirmation.inputs.get("look") else None
    paid = price_of(confirmation)
    contracts = confirmation.contracts
    return {
        "v": confirmation.version,
        "key": confirmation_key(confirmation.pk),
        "quote": quote_key(quote.pk),
        "ticker": quote.ticker,
        "title": titles[quote.ticker],
        "legs": legs_rows(incoming.legs, titles),
        "is_combo": bool(incoming.legs),
        "accepted_side": confirmation.accepted_side or None,
        "contracts": count(contracts),
        "price": price(paid),
        "cost": None if paid is None or contracts is None else dollars(paid * contracts),
        "heard_ms": ms(confirmation.heard_at),
        "accepted_ms": ms(confirmation.accepted_at),
        "window_ends_ms": ms(confirmation.window_ends_at),
        "send_by_ms": ms(confirmation.send_by),
        "decide_by_ms": ms(confirmation.send_by - HAND_OVER),
        "policy": confirmation.policy,
        "policy_text": POLICY_WORDS[Policy(confirmation.policy)],
        "checks": confirmation.checks,
        "move": None if look is None or look.move is None else price(look.move.quantize(Decimal("0.0001"))),
        "position_after": None if look is None else count(look.position_after),
        "exposure_after": None if look is None else dollars(look.exposure_after),
        "decision": confirmation.decision,
        "decided_by": person(confirmation.decided_by),
        "decided_ms": ms(confirmation.decided_at),
        "later": confirmation.inputs.get("later", []),
        "reason": confirmation.reason,
        "state": confirmation.state,
        "state_text": state_text(confirmation),
        "is_open": confirmation.state == State.OPEN,
        "attempts": confirmation.attempts,
        "confirmed_ms": ms(confirmation.confirmed_at),
        "executed_ms": ms(confirmation.executed_at),
        "order_id": confirmation.order_id,
        "error": confirmation.error_text,
        "owner": person(quote.owner),
    }


def price_of(confirmation: Confirmation) -> Decimal | None:
    """What we pay for one contract of the accepted side, dollars."""
    if not confirmation.accepted_side:
        return None
    quote = confirmation.quote
    return QuotePrices(quote.yes_bid, quote.no_bid).maker_price(Outcome(confirmation.accepted_side))


def state_text(confirmation: Confirmation) -> str:
    """Say in words what is known, never more."""
    state = State(confirmation.state)
    words = _WORDS[state]
    if state is State.OPEN and confirmation.reason in WAITS:
        return "Waits for live prices until its window ends; confirm it, or let it lapse"
    if state is State.MISSED and confirmation.answered_at is None and confirmation.attempts:
        return "Missed? It was sent, and no answer says what became of it; looking it up"
    if state in (State.LAPSED, State.MISSED) and confirmation.reason:
        return f"{words}: {reason_text(confirmation)}"
    return words


def reason_text(confirmation: Confirmation) -> str:
    """Return the reason in words: ours, or those of the check that failed."""
    if confirmation.reason in REASONS and confirmation.decision != Decision.LAPSE:
        return REASONS[confirmation.reason]
    for check in confirmation.checks:
        if check["name"] == confirmation.reason and not check["ok"]:
            return str(check["text"])
    return REASONS.get(confirmation.reason, confirmation.reason)
