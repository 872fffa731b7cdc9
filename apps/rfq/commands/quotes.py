"""Socket commands and the topic of our quotes. Each is a thin way into one service (docs/rfq.md)."""

from collections.abc import Mapping
from typing import Any

from apps.accounts.access import account_get, account_get_on
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.topics import TopicName
from apps.orders.access import require, require_somewhere
from apps.rfq.access import quote_for
from apps.rfq.events import quotes as events
from apps.rfq.models import IncomingRfq
from apps.rfq.offers import offer_from_params
from apps.rfq.selectors.quotes import quote_rows_of
from apps.rfq.services import passes, quotes
from apps.rfq.services.approvals import asking
from apps.rfq.services.incoming import incoming_get

Params = Mapping[str, Any]
Answer = dict[str, Any]


def send(actor: Actor, params: Params) -> Answer:
    """Returns {"quote": row}, or {"approval": row} above the desk's threshold."""
    require_somewhere(actor, Permission.RFQ_TRADE)
    offer = offer_from_params(actor, params)
    account = account_get_on(actor, offer.account_id, offer.subaccount)
    incoming = incoming_get(account.pk, account.environment, offer.rfq_id)
    return asking(actor, lambda: {"quote": events.quote_row(quotes.quote_submit(actor, offer, incoming))})


def pull(actor: Actor, params: Params) -> Answer:
    return {"quote": events.quote_row(quotes.quote_pull(actor, quote_for(actor, params.get("quote"))))}


def pull_all(actor: Actor, params: Params) -> Answer:
    """{"ticker"?, "rule"? (row id)}: of the selected account. Answer: {"pulled": [row keys]}."""
    ticker, rule = params.get("ticker"), params.get("rule")
    if ticker is not None and not isinstance(ticker, str):
        raise DeskError("bad_input", "Say which market.", fields={"ticker": "A market's ticker."})
    if rule is not None and (isinstance(rule, bool) or not isinstance(rule, int)):
        raise DeskError("bad_input", "Say which rule.", fields={"rule": "The number of a rule."})
    pulled = quotes.pull_all(actor, account_id=actor.account_id, ticker=ticker or None, rule_id=rule)
    return {"pulled": [events.quote_key(quote.pk) for quote in pulled]}


def pass_on(actor: Actor, params: Params) -> Answer:
    """{"rfq_id", "reason"?}. Returns {"passed": row}."""
    require(actor, Permission.RFQ_TRADE)
    reason = params.get("reason") or ""
    if not isinstance(reason, str):
        raise DeskError("bad_input", "Some fields cannot be read.", fields={"reason": "This is text."})
    return {"passed": passes.passed_row(passes.request_pass(actor, _incoming(actor, params), reason=reason))}


def show_again(actor: Actor, params: Params) -> Answer:
    """{"rfq_id"}: what was passed on is listed again. Returns {"shown": whether it was passed}."""
    require(actor, Permission.RFQ_TRADE)
    return {"shown": passes.request_unpass(actor, _incoming(actor, params))}


def quotes_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": quote_rows_of(int(topic.scope))}


def _incoming(actor: Actor, params: Params) -> IncomingRfq:
    """Return the request by the exchange's id, in the environment of the selected account."""
    rfq_id = params.get("rfq_id")
    if not isinstance(rfq_id, str) or not 0 < len(rfq_id) <= 80:
        raise DeskError("bad_input", "Say which request.", fields={"rfq_id": "The exchange's id."})
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    account = account_get(actor, actor.account_id)
    return incoming_get(account.pk, account.environment, rfq_id)


def register() -> None:
    """Fill the registries of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("quote.send", Permission.RFQ_TRADE, send, Within.SUBACCOUNT))
    register_command(Command("quote.pull", Permission.RFQ_PULL, pull, Within.SUBACCOUNT))
    register_command(Command("quote.pass", Permission.RFQ_TRADE, pass_on))
    register_command(Command("quote.unpass", Permission.RFQ_TRADE, show_again))
    register_command(Command("quote.pull_all", Permission.RFQ_PULL, pull_all, Within.SUBACCOUNT))
    register_topic(
        Topic(
            "quotes", Permission.DESK_VIEW, scope="account", mode="rows", state=quotes_state, within=Within.SUBACCOUNT
        )
    )
