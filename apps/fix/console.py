"""The FIX page's rows: how each session is, in words, and what to do when it is not well. One shape for page and topic.

Rows carry no key id. Times: Unix milliseconds; ages are the reader's to count.
"""

from collections.abc import Iterable
from typing import Any, Final

from apps.core.timestamps import to_unix_ms
from apps.fix.console_veil import HIDDEN_KEY
from apps.fix.engine.dictionary import kalshi
from apps.fix.engine.errors import SendRefused
from apps.fix.lease import key_digest
from apps.fix.models import FixLease, FixRecovery, FixSession
from apps.fix.selectors import KINDS, MARGIN, PURPOSES, flags_of, rules_for, target_words
from apps.vault.models import ApiKey

Row = dict[str, Any]
_STATE: Final = FixSession.State
TONES: Final = {
    _STATE.STOPPED: "muted",
    _STATE.CONNECTING: "accent",
    _STATE.LOGGED_ON: "ok",
    _STATE.RECOVERING: "warning",
    _STATE.WAITING: "warning",
    _STATE.PLANNED: "muted",
    _STATE.HALTED: "danger",
}
# The flags of the documentation in the order of the page; 20126 and 21011 make a listener.
FLAGS: Final = (20126, 21011, 8013, 21005, 21012, 21007, 21008, 21026, 20127, 20200)
RECOVERY_TONES: Final = {
    "waiting": "muted",
    "running": "accent",
    "complete": "ok",
    "incomplete": "warning",
    "window_lost": "danger",
    "refused": "danger",
}
RECOVERIES_SHOWN: Final = 20


def session_rows(account_ids: Iterable[int]) -> dict[int, Row]:
    """Return the rows of the sessions of these accounts by session id, in the page's order. Four queries."""
    sessions = list(
        FixSession.objects.filter(account_id__in=list(account_ids))
        .select_related("account")
        .order_by("account__environment", "account__name", "account_id", "kind")
    )
    keys = _keys({row.account_id for row in sessions})
    digests = {pk: key_digest(key.account.environment, key.key_id) for pk, key in keys.items() if key.key_id}
    leases = {row.key_digest: row for row in FixLease.objects.filter(key_digest__in=digests.values())}
    rows = {}
    for row in sessions:
        place = (row.account_id, PURPOSES[row.kind])
        lease = leases.get(digests.get(place, ""))
        rows[row.pk] = session_row(row, keys.get(place), lease)
    return _without_keys(rows)


def _without_keys(rows: dict[int, Row]) -> dict[int, Row]:
    """The exchange's own words may name a key, also one that was revoked since; rows go to everybody of the desk."""
    known = ApiKey.objects.filter(account_id__in={row["account_id"] for row in rows.values()}).exclude(key_id="")
    for key_id in set(known.values_list("key_id", flat=True)):
        for row in rows.values():
            row["text"] = row["text"].replace(key_id, HIDDEN_KEY)
    return rows


def _keys(account_ids: set[int]) -> dict[tuple[int, str], ApiKey]:
    live = ApiKey.objects.filter(account_id__in=account_ids, purpose__in=PURPOSES.values())
    found: dict[tuple[int, str], ApiKey] = {}
    for key in live.exclude(status__in=[ApiKey.Status.REVOKED, ApiKey.Status.INVALID]).select_related("account"):
        found[key.account_id, key.purpose] = key
    return found


def session_row(row: FixSession, key: ApiKey | None, lease: FixLease | None) -> Row:
    is_up = row.state in (_STATE.LOGGED_ON, _STATE.RECOVERING)
    gap = row.gap_to if row.state == _STATE.RECOVERING and row.gap_to and row.gap_to >= row.next_in else None
    return {
        "key": f"session:{row.pk}",
        "id": row.pk,
        "account_id": row.account_id,
        "account": row.account.name,
        "environment": row.account.environment,
        "kind": row.kind,
        "kind_text": row.get_kind_display(),
        "target": target_words(row.kind),
        "is_listener": row.is_listener,
        "is_wanted": row.is_wanted,
        "is_up": is_up,
        "is_retained": rules_for(row.kind).is_retained,
        "has_key": key is not None,
        "state": row.state,
        "state_text": _STATE(row.state).label,
        "tone": TONES[_STATE(row.state)],
        "text": row.state_text,
        "advice": advice(row, key),
        "since_ms": _ms(row.state_since),
        "heartbeat": row.heartbeat,
        "next_in": row.next_in,
        "next_out": row.next_out,
        "gap_to": gap,
        "last_in_ms": _ms(row.last_in_at),
        "last_out_ms": _ms(row.last_out_at),
        "rtt_ms": row.rtt_ms,
        "rejects": row.rejects,
        "is_reset_wanted": row.is_reset_wanted,
        "owner": _owner(lease) if is_up or row.state == _STATE.CONNECTING else "",
    }


def advice(row: FixSession, key: ApiKey | None) -> str:
    """Say what to do about a session that is not well; "" when there is nothing to do."""
    text = row.state_text.lower()
    match row.state:
        case _STATE.HALTED if key is None or "key" in text:
            return "Give the account a key for this session in Settings, Vault; the session then starts by itself."
        case _STATE.HALTED:
            return "Mend what the text says, then press Log on."
        case _STATE.WAITING if "connected already" in text or "already" in text:
            return "Wait: the desk tries again within a minute. If it goes on, another program uses this key."
        case _STATE.WAITING if "another process" in text:
            return (
                "Another process of this desk has the connection. Nothing to do unless that process is gone for good."
            )
        case _STATE.WAITING:
            return "The desk tries again by itself; Log on tries at once."
        case _STATE.PLANNED:
            return "Planned. The desk connects again by itself afterwards."
        case _STATE.RECOVERING:
            return "Missing messages were asked for. Ask again only if the numbers do not move."
        case _STATE.STOPPED if row.is_wanted:
            return "The gateway is not running this session. It starts within seconds of the gateway's start."
        case _STATE.LOGGED_ON if row.rejects:
            return "Messages were rejected since the logon: see the message log, type Reject."
        case _:
            return ""


def reset_words(row: FixSession) -> str:
    """Say what a reset of the sequence numbers does to this session (docs:fix/session-management)."""
    name = KINDS[row.kind].value
    if row.kind == FixSession.Kind.MARGIN_MD:
        return f"{name} requires 141=Y at every logon, so a reset is a new logon. Every book then comes anew."
    back = "asks margin's drop copy" if row.kind in MARGIN else "reads the account over REST and asks drop copy"
    if rules_for(row.kind).is_retained:
        return (
            f"The session logs out and on again with 141=Y; both sides begin at 1. {name} then sends nothing again "
            "that was sent before: what this desk missed cannot be asked for by ResendRequest any more. The desk "
            f"{back} for the rest, three hours back at most."
        )
    return (
        f"{name} requires 141=Y at every logon, so a reset is a new logon: the session logs out and on again. Nothing "
        "is lost that was not lost already; for reports of the seconds in between the desk "
        f"{back}."
    )


def flag_rows(row: FixSession) -> list[Row]:
    """Return the logon flags of a session: tag, name, value ("" when it is left out)."""
    sent = dict(flags_of(row).fields())
    names = kalshi()
    return [{"tag": tag, "name": names.name_of(tag), "value": sent.get(tag, "")} for tag in FLAGS]


def flags_problem(row: FixSession) -> str:
    """Return why the exchange would refuse these flags, "" when it would not."""
    try:
        flags_of(row).check(KINDS[row.kind])
    except SendRefused as exc:
        return exc.text
    return ""


def recovery_rows(account_ids: Iterable[int]) -> dict[int, Row]:
    """Return the newest recoveries of these accounts by id, newest first."""
    rows = FixRecovery.objects.filter(account_id__in=list(account_ids)).select_related("account", "requested_by")
    return {row.pk: recovery_row(row) for row in rows.order_by("-pk")[:RECOVERIES_SHOWN]}


def recovery_row(row: FixRecovery) -> Row:
    return {
        "key": f"recovery:{row.pk}",
        "id": row.pk,
        "account_id": row.account_id,
        "account": f"{row.account.name} (margin)" if row.is_margin else row.account.name,
        "begin": row.begin,
        "end": row.end,
        "why": row.why,
        "by": row.requested_by.get_username() if row.requested_by else "",
        "created_ms": _ms(row.created_at),
        "finished_ms": _ms(row.finished_at),
        "state": row.state,
        "state_text": FixRecovery.State(row.state).label,
        "tone": RECOVERY_TONES[row.state],
        "text": row.text,
        "received": row.received,
        "new": row.new,
        "doubled": max(0, row.received - row.new),
    }


def _owner(lease: FixLease | None) -> str:
    """Host and process id of who holds the key's connection; the random end says nothing to people."""
    return "" if lease is None else ":".join(lease.holder.split(":")[:2])


def _ms(moment: Any) -> int | None:
    return None if moment is None else to_unix_ms(moment)
