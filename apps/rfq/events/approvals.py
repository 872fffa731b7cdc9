"""Rows of the topic `approvals:<account>`: what waits for a second pair of eyes, and what became of it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.core.money import cents_text, count_text, dollars_text
from apps.core.topics import TopicName
from apps.exchange import live
from apps.rfq.events.words import Row, count, dollars, ms, person, titles_of
from apps.rfq.models import Approval, ApprovalThreshold, IncomingRfq, ReceivedQuote, Rfq

THRESHOLD_KEY = "threshold"


def approvals_topic(account_id: int) -> str:
    return str(TopicName("approvals", str(account_id)))


def approval_key(pk: int) -> str:
    return f"approval:{pk}"


def approval_publish(approval: Approval) -> None:
    """Tell the browsers after the commit, as it stands then."""
    pk = approval.pk

    def build() -> None:
        fresh = Approval.objects.select_related("account", "asked_by", "decided_by").get(pk=pk)
        if fresh.account_id is not None:
            live.publish_rows(approvals_topic(fresh.account_id), {approval_key(pk): approval_row(fresh)})

    transaction.on_commit(build)


def threshold_publish(account_id: int, row: ApprovalThreshold) -> None:
    transaction.on_commit(
        lambda: live.publish_rows(approvals_topic(account_id), {THRESHOLD_KEY: threshold_row(row)}) and None
    )


def approval_row(approval: Approval) -> Row:
    title, text = _words(approval)
    return {
        "v": live.next_version(),
        "key": approval_key(approval.pk),
        "account_id": approval.account_id,
        "kind": approval.kind,
        "subject": approval.subject,
        "title": title,
        "text": text,
        "hash": approval.content_hash,
        "state": approval.state,
        "state_text": approval.get_state_display(),
        "is_open": approval.state == Approval.State.OPEN,
        "asked_by": person(approval.asked_by),
        "asked_ms": ms(approval.asked_at),
        "expires_ms": ms(approval.expires_at),
        "decided_by": person(approval.decided_by),
        "decided_ms": ms(approval.decided_at),
        "words": approval.words,
        "result": approval.result,
    }


def threshold_row(row: ApprovalThreshold | None) -> Row:
    return {
        "v": live.next_version(),
        "key": THRESHOLD_KEY,
        "contracts": count(row.contracts) if row else None,
        "cost": dollars(row.cost) if row else None,
        "changed_by": person(row.changed_by) if row else None,
        "changed_ms": ms(row.changed_at) if row else None,
    }


def _words(approval: Approval) -> tuple[str, str]:
    """Return what it is about, and what would be done, in words of the desk."""
    params = approval.content["params"]
    environment = approval.account.environment if approval.account else ""
    match approval.kind:
        case "rfq":
            ticker = params["ticker"]
            what = f"Ask for quotes on {_size(params['contracts'], params['target_cost'])}"
            limits = [
                f"{side.upper()} at most {cents_text(Decimal(params[f'limit_{side}']))}"
                for side in ("yes", "no")
                if params[f"limit_{side}"]
            ]
            takes = f"takes {params['auto']['buys'].upper()} by itself" if params["auto"] else ""
            text = ", ".join([what, *limits, *[takes] * bool(takes)])
        case "accept":
            rfq = Rfq.objects.filter(pk=int(params["rfq"].partition(":")[2])).first()
            quote = ReceivedQuote.objects.filter(rfq=rfq, quote_id=params["quote_id"]).first() if rfq else None
            ticker = rfq.ticker if rfq else ""
            size = _size_of_accept(rfq, quote, params)
            text = f"Buy {size}{params['buys'].upper()} at {cents_text(Decimal(params['price_seen']))}"
        case _:
            incoming = IncomingRfq.objects.filter(environment=environment, rfq_id=params["rfq_id"]).first()
            ticker = incoming.ticker if incoming else ""
            bids = [
                f"{side.upper()} {cents_text(Decimal(params[f'{side}_bid']))}"
                for side in ("yes", "no")
                if Decimal(params[f"{side}_bid"])
            ]
            size = _size(count(incoming.contracts), dollars(incoming.target_cost)) if incoming else "a request"
            text = f"Bid {' and '.join(bids)} for {size}"
    return titles_of(environment, [ticker])[ticker], text


def _size(contracts: str | None, target_cost: str | None) -> str:
    if contracts is not None:
        return f"{count_text(Decimal(contracts))} contracts"
    return "an unknown size" if target_cost is None else dollars_text(Decimal(target_cost))


def _size_of_accept(rfq: Rfq | None, quote: ReceivedQuote | None, params: Mapping[str, Any]) -> str:
    if rfq is None:
        return ""
    contracts = rfq.contracts
    if contracts is None and quote is not None:
        contracts = quote.no_contracts if params["buys"] == "yes" else quote.yes_contracts
    return "" if contracts is None else f"{count_text(contracts)} "
