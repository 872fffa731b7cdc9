"""What the audit trail says that people want to be told. Each entry is committed with what it describes, and a desk's
entries are numbered without gaps in the order of their commits: a cursor there misses nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apps.audit.models import AuditEntry
from apps.core.rfq import ConfirmationState, Outcome, maker_gets
from apps.monitoring.alerts.matching import Happening
from apps.orders.models import OrderIntent, TradingPause
from apps.orders.pages.timeline import terms_words
from apps.rfq.models import Accept, Confirmation
from apps.vault.models import ApiKey

AT_ONCE = 50  # in one transaction: orders wait for it


@dataclass(frozen=True, slots=True)
class Resolved:
    """What it was about is well again, or is not to be waited for any more."""

    subject: str


Found = Happening | Resolved
Reading = Callable[[AuditEntry], Iterator[Found]]


def trail_entries(desk_id: int, after: int) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(desk_id=desk_id, sequence__gt=after).order_by("sequence")[:AT_ONCE])


def found_in(entry: AuditEntry) -> list[Found]:
    """Return what one entry means, in order; empty for most."""
    reading = _READINGS.get(entry.action)
    return [] if reading is None else list(reading(entry))


def _row(entry: AuditEntry) -> int:
    _, _, number = entry.target.partition(":")
    return int(number) if number.isdecimal() else 0


def _say(entry: AuditEntry, kind: str, title: str, text: str = "", *, subject: str = "", **more: Any) -> Happening:
    return Happening(
        kind=kind,
        key=f"trail:{entry.sequence}:{kind}",
        subject=subject or entry.target or f"trail:{entry.sequence}",
        at=entry.at,
        title=title,
        text=text,
        **more,
    )


# --- orders -----------------------------------------------------------------------------------------


def _intent(entry: AuditEntry, kind: str, title: str) -> Iterator[Found]:
    intent = OrderIntent.objects.filter(pk=_row(entry)).first()
    if intent is None:
        return
    why = str(entry.data.get("text") or "")
    cost = (intent.price if intent.book_side == "bid" else 1 - intent.price) * intent.count
    yield _say(
        entry,
        kind,
        f"{title}: {intent.ticker}",
        f"{terms_words(intent)}. {why}",
        link=f"/orders/intent:{intent.pk}/",
        account_id=intent.account_id,
        ticker=intent.ticker,
        user_id=intent.placed_by_id,
        amount=cost,
    )


def _refused(entry: AuditEntry) -> Iterator[Found]:
    yield Resolved(entry.target)
    yield from _intent(entry, "order.refused", "Order refused")


def _unknown(entry: AuditEntry) -> Iterator[Found]:
    yield from _intent(entry, "order.unknown", "Order without an outcome")


def _target_over(entry: AuditEntry) -> Iterator[Found]:
    yield Resolved(entry.target)


def _gate_closed(entry: AuditEntry) -> Iterator[Found]:
    text = "The exchange accepted orders without naming them. No order leaves until it is known what became of them."
    yield _say(entry, "gate.closed", "Orders are held back", text, link="/orders/", account_id=_row(entry))


def _disputed(entry: AuditEntry) -> Iterator[Found]:
    yield _say(
        entry, "break", "An order differs from the exchange's", str(entry.data.get("why") or ""), link="/orders/"
    )


# --- RFQ desk ---------------------------------------------------------------------------------------


def _confirm(entry: AuditEntry, kind: str, title: str, *, states: tuple[str, ...] = ()) -> Iterator[Found]:
    rows = Confirmation.objects.select_related("quote")
    row = rows.filter(pk=_row(entry)).first()
    if row is None or (states and row.state not in states):
        return
    quote = row.quote
    side = maker_gets(Outcome(row.accepted_side)).value.upper() if row.accepted_side else "?"
    text = f"We would own {side}. Decide by {row.send_by:%H:%M:%S} UTC."
    if kind == "confirm.missed":
        text = f"{side}, window until {row.window_ends_at:%H:%M:%S} UTC. {row.error_text}"
    yield _say(
        entry,
        kind,
        f"{title}: {quote.ticker}",
        text,
        link="/rfq/",
        account_id=quote.account_id,
        ticker=quote.ticker,
        user_id=quote.owner_id or quote.placed_by_id,
    )


def _heard(entry: AuditEntry) -> Iterator[Found]:
    yield from _confirm(entry, "confirm.open", "Confirm or let lapse", states=(ConfirmationState.OPEN,))
    yield from _confirm(entry, "confirm.missed", "Confirm window missed", states=(ConfirmationState.MISSED,))


def _missed(entry: AuditEntry) -> Iterator[Found]:
    yield Resolved(entry.target)
    yield from _confirm(entry, "confirm.missed", "Confirm window missed")


def _tripped(entry: AuditEntry) -> Iterator[Found]:
    name, why = str(entry.data.get("name") or "a rule"), str(entry.data.get("why") or "")
    yield _say(entry, "rule.tripped", f"Quoting rule disarmed: {name}", why, link="/rfq/")


def _accept(kind: str, title: str) -> Reading:
    def read(entry: AuditEntry) -> Iterator[Found]:
        row = Accept.objects.select_related("rfq").filter(pk=_row(entry)).first()
        if row is None:
            return
        yield _say(
            entry,
            kind,
            f"{title}: {row.rfq.ticker}",
            f"Buying {row.buys.upper()}. {entry.data.get('text') or ''}".strip(),
            link="/rfq/",
            account_id=row.rfq.account_id,
            ticker=row.rfq.ticker,
            user_id=row.accepted_by_id,
        )

    return read


def _commented(entry: AuditEntry) -> Iterator[Found]:
    mentioned = frozenset(one for one in entry.data.get("mentions") or () if isinstance(one, int))
    if mentioned:
        yield _say(
            entry,
            "mention",
            "You are mentioned",
            str(entry.data.get("text") or ""),
            subject=f"trail:{entry.sequence}",
            link="/rfq/",
            user_id=entry.actor_id,
            only_for=mentioned,
        )


# --- limits and control -----------------------------------------------------------------------------


def _limit_changed(entry: AuditEntry) -> Iterator[Found]:
    done = "removed" if entry.action.endswith("removed") else "set"
    yield _say(entry, "limit.changed", f"A limit was {done}", subject=f"trail:{entry.sequence}", link="/orders/limits/")


def _loss_reached(entry: AuditEntry) -> Iterator[Found]:
    user_id = entry.data.get("user_id")
    yield _say(
        entry,
        "limit.full",
        "Daily loss limit reached",
        f"Result {entry.data.get('result')} dollars, limit {entry.data.get('limit')}. New risk is refused.",
        subject=f"loss:{_row(entry)}:{entry.data.get('day')}:{user_id}",
        link="/orders/limits/",
        account_id=_row(entry) or None,
        user_id=user_id if isinstance(user_id, int) else None,
    )


def _change_asked(entry: AuditEntry) -> Iterator[Found]:
    title = str(entry.data.get("title") or "A change")
    yield _say(entry, "approval.asked", "A change waits for approval", title, link="/team/approvals/")


def _approval_asked(entry: AuditEntry) -> Iterator[Found]:
    yield _say(entry, "approval.asked", "The RFQ desk asks for approval", link="/rfq/")


def _pulled(entry: AuditEntry) -> Iterator[Found]:
    yield _say(entry, "kill.pulled", "Kill switch pulled", str(entry.data.get("why") or ""), link="/monitor/kill/")


def _paused(entry: AuditEntry) -> Iterator[Found]:
    if entry.data.get("scope") == TradingPause.Scope.DESK:
        yield _say(entry, "pause.set", "Trading is paused for everybody", str(entry.data.get("why") or ""))


def _key(entry: AuditEntry, title: str) -> Iterator[Found]:
    row = ApiKey.objects.select_related("account").filter(pk=_row(entry)).first()
    if row is not None:
        text = f"{row.get_purpose_display()}. Test it again, or add another, in Settings > Vault."
        yield _say(entry, "key.refused", f"{title}: {row.account.name}", text, account_id=row.account_id)


def _key_tested(entry: AuditEntry) -> Iterator[Found]:
    if entry.data.get("status") == ApiKey.Status.INVALID:
        yield from _key(entry, "The exchange refuses a key")
    elif entry.data.get("status") == ApiKey.Status.VALID:
        yield Resolved(entry.target)


def _key_unreadable(entry: AuditEntry) -> Iterator[Found]:
    yield from _key(entry, "A key does not open")


_READINGS: dict[str, Reading] = {
    "orders.intent.refused": _refused,
    "orders.intent.unknown": _unknown,
    "orders.intent.acked": _target_over,
    "orders.intent.not_seen": _target_over,
    "orders.gate.closed": _gate_closed,
    "orders.gate.opened": _target_over,
    "orders.order.disputed": _disputed,
    "orders.limit.set": _limit_changed,
    "orders.limit.removed": _limit_changed,
    "orders.limit.loss_reached": _loss_reached,
    "orders.pause.set": _paused,
    "orders.pause.released": _target_over,
    "rfq.confirm.heard": _heard,
    "rfq.confirm.missed": _missed,
    **dict.fromkeys((f"rfq.confirm.{end}" for end in ("decided", "lapsed", "confirmed", "executed")), _target_over),
    "rfq.rule.tripped": _tripped,
    "rfq.rule.armed": _target_over,
    "rfq.accept.executed": _accept("accept.ended", "Executed"),
    "rfq.accept.lapsed": _accept("accept.lapsed", "Lapsed by the maker"),
    "rfq.accept.failed": _accept("accept.lapsed", "Confirmed and not executed"),
    "rfq.accept.refused": _accept("accept.lapsed", "Accept refused"),
    "rfq.rfq.commented": _commented,
    "rfq.quote.commented": _commented,
    "rfq.approval.asked": _approval_asked,
    **dict.fromkeys((f"rfq.approval.{end}" for end in ("used", "failed", "declined", "expired")), _target_over),
    "accounts.change.asked": _change_asked,
    **dict.fromkeys((f"accounts.change.{end}" for end in ("used", "failed", "declined")), _target_over),
    "monitoring.kill.pulled": _pulled,
    "monitoring.kill.released": _target_over,
    "vault.key.tested": _key_tested,
    "vault.key.unreadable": _key_unreadable,
    "vault.key.revoked": _target_over,
}
