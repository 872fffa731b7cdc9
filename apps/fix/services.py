"""What people do with FIX sessions. Each action needs the operator's permission and a reason, and is on the trail."""

import re
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.access import account_get
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound, WireFormatError
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.fix import margin
from apps.fix.engine.errors import SendRefused
from apps.fix.engine.logon import LOWEST_HEARTBEAT
from apps.fix.ingest import last_seen
from apps.fix.messages.common import ExecId
from apps.fix.messages.drop_copy import request_fields
from apps.fix.messages.market_data import MOST_SYMBOLS
from apps.fix.models import FixAsk, FixMessage, FixRecovery, FixSession
from apps.fix.selectors import KINDS, flags_of, rules_for

LONGEST_HEARTBEAT = 120
_SYMBOL = re.compile(r"[A-Za-z0-9._-]{1,80}")
_LOGGED_ON = (FixSession.State.LOGGED_ON, FixSession.State.RECOVERING)
_OPTIONS = ("is_listener", "heartbeat", "use_dollars", "cancel_on_disconnect", "receive_settlements", "symbols")


def sessions_visible_to(actor: Actor) -> list[FixSession]:
    """Return the sessions of the desk's accounts. Raises NotAllowed."""
    if not actor.may(Permission.DESK_VIEW):
        raise NotAllowed
    rows = FixSession.objects.filter(account__desk_id=actor.desk_id).select_related("account")
    return list(rows.order_by("account_id", "kind"))


def messages_visible_to(actor: Actor, session_id: int, *, count: int = 50) -> list[FixMessage]:
    """Return the newest messages of a session, oldest first. Raises NotAllowed, NotFound."""
    if not any(row.pk == session_id for row in sessions_visible_to(actor)):
        raise NotFound("This FIX session does not exist, or it belongs to another desk.")
    newest = FixMessage.objects.filter(session_id=session_id).order_by("-pk")[: max(1, min(count, 1_000))]
    return list(reversed(newest))


def session_define(actor: Actor, account_id: int, kind: str, **options: Any) -> FixSession:
    """Make or change the session of one kind of an account. A running one connects anew.

    Raises:
        NotAllowed, NotFound; DeskError for options that the exchange would refuse.
    """
    _may_operate(actor)
    account = account_get(actor, account_id)
    unknown = set(options) - set(_OPTIONS)
    if kind not in KINDS or unknown:
        raise DeskError("bad_input", f"There is no session {kind!r} with {sorted(unknown)}.")
    row = FixSession.objects.filter(account=account, kind=kind).first() or FixSession(account=account, kind=kind)
    for name, value in options.items():
        setattr(row, name, value)
    if not LOWEST_HEARTBEAT <= row.heartbeat <= LONGEST_HEARTBEAT:
        raise DeskError("bad_input", f"The heartbeat is {LOWEST_HEARTBEAT} to {LONGEST_HEARTBEAT} seconds.")
    row.symbols = _symbols(row)
    if row.is_listener and row.cancel_on_disconnect:
        raise DeskError("fix_flags", "A listener session must not ask for CancelOrdersOnDisconnect (8013).")
    try:
        flags_of(row).check(KINDS[kind])
    except SendRefused as exc:
        raise DeskError(exc.code, exc.text) from exc
    row.changed_by_id, row.changed_at = actor.user_id, utc_now()
    try:
        with transaction.atomic():
            row.save()
            _audit(actor, "defined", row, {name: getattr(row, name) for name in _OPTIONS})
    except IntegrityError:
        raise DeskError("conflict", "Somebody made this session at the same moment. Look again.") from None
    return row


def session_start(actor: Actor, session_id: int, *, why: str) -> FixSession:
    """Want a session; the gateway connects it. One that halted by itself is tried again."""
    return _want(actor, Permission.FIX_START, session_id, "started", why, is_wanted=True)


def session_stop(actor: Actor, session_id: int, *, why: str) -> FixSession:
    """Log a session out and leave it so."""
    return _want(actor, Permission.FIX_STOP, session_id, "stopped", why, is_wanted=False)


def session_log_on(actor: Actor, session_id: int, *, why: str) -> FixSession:
    """Try a wanted session now: it waits no longer, and one that halted by itself is tried again."""
    row = _session(actor, session_id, Permission.FIX_LOGON)
    if not row.is_wanted:
        raise DeskError("fix_stopped", "The session is stopped. Start it: it then logs on by itself.")
    if row.state in _LOGGED_ON:
        raise DeskError("fix_logged_on", "The session is logged on already.")
    return _want(actor, Permission.FIX_LOGON, session_id, "log_on_asked", why)


def session_log_out(actor: Actor, session_id: int, *, why: str) -> FixSession:
    """Say goodbye and log on anew. A session that shall stay away is stopped instead."""
    _running(actor, session_id, Permission.FIX_LOGOUT)
    return _want(actor, Permission.FIX_LOGOUT, session_id, "log_out_asked", why)


def session_test(actor: Actor, session_id: int, *, why: str) -> FixSession:
    """Have a TestRequest sent; the answer's way and back becomes the round trip."""
    return _ask(actor, Permission.FIX_TEST, session_id, FixAsk.Kind.TEST, why)


def session_resend(actor: Actor, session_id: int, *, why: str) -> FixSession:
    """Ask again, now, for the messages that are missing. Only where the exchange keeps them (KalshiRT, KalshiPT)."""
    row = _running(actor, session_id, Permission.FIX_RESEND)
    if not rules_for(row.kind).is_retained:
        raise DeskError("fix_not_retained", "The exchange keeps no messages of this session: recover by drop copy.")
    if row.gap_to is None:
        raise DeskError("fix_no_gap", "No message is missing on this session.")
    return _ask(actor, Permission.FIX_RESEND, session_id, FixAsk.Kind.RESEND, why)


def session_reset(actor: Actor, session_id: int, *, why: str) -> FixSession:
    """Begin both sides' sequence numbers at 1. On KalshiRT and KalshiPT what was missed cannot be asked for after it;
    the desk then reads it. The other sessions do this at every logon, so they only log on anew.
    """
    row = _session(actor, session_id, Permission.FIX_RESET)
    if not row.is_wanted:
        raise DeskError("fix_stopped", "The session is stopped. Start it first; the reset happens at a logon.")
    return _want(actor, Permission.FIX_RESET, session_id, "reset", why, is_reset_wanted=True, touch=False)


def _symbols(row: FixSession) -> list[str]:
    """Return the books that a market data session is to follow. Raises DeskError."""
    symbols = list(dict.fromkeys(str(one).strip() for one in row.symbols if str(one).strip()))
    if row.kind != FixSession.Kind.MARGIN_MD:
        if symbols:
            raise DeskError("bad_input", "Only a market data session (KalshiMD) follows books.")
        return []
    if len(symbols) > MOST_SYMBOLS or not all(_SYMBOL.fullmatch(one) for one in symbols):
        raise DeskError("bad_input", f"Symbols are tickers, at most {MOST_SYMBOLS} of them.")
    return symbols


def recovery_request(
    actor: Actor, account_id: int, *, begin: str = "", end: str = "", why: str, is_margin: bool = False
) -> FixRecovery:
    """Ask for execution reports of a range by drop copy, of the event or of the margin exchange.

    Args:
        begin: ExecID, inclusive; "": the last one seen.
        end: ExecID, inclusive; "": the newest.

    Raises:
        NotAllowed, NotFound; DeskError when the range is none, nothing was seen yet, or one is open.
    """
    if not actor.may(Permission.FIX_RECOVER):
        raise NotAllowed
    account = account_get(actor, account_id)
    reason = _why(why)
    copying = FixSession.Kind.MARGIN_DC if is_margin else FixSession.Kind.DC
    if not FixSession.objects.filter(account=account, kind=copying, is_wanted=True).exists():
        raise DeskError("fix_no_drop_copy", "This account has no drop copy session running. Start KalshiDC first.")
    newest = margin.last_seen(account.pk) if is_margin else last_seen(account.pk)
    if not begin and newest is None:
        raise DeskError("fix_nothing_seen", "No execution report was seen yet: name the ExecID to begin with.")
    try:
        first = ExecId.read(begin) if begin else newest
        assert first is not None
        request_fields(first, ExecId.read(end) if end else None)
    except WireFormatError as exc:
        raise DeskError("bad_input", f"This is no range: {exc}.") from exc
    try:
        with transaction.atomic():
            row = FixRecovery.objects.create(
                account=account,
                is_margin=is_margin,
                begin=str(first),
                end=end,
                why=reason,
                requested_by_id=actor.user_id,
                created_at=utc_now(),
            )
            audit.record(
                "fix.recovery.requested",
                actor_id=actor.user_id,
                desk_id=actor.desk_id,
                environment=account.environment,
                target=f"fix_recovery:{row.pk}",
                data={"begin": row.begin, "end": row.end, "why": reason, "margin": is_margin},
            )
    except IntegrityError:
        raise DeskError("conflict", "A recovery of this account is running. Wait until it has ended.") from None
    return row


def _ask(actor: Actor, permission: Permission, session_id: int, kind: FixAsk.Kind, why: str) -> FixSession:
    row = _running(actor, session_id, permission)
    reason = _why(why)
    with transaction.atomic():
        FixAsk.objects.create(session=row, kind=kind, requested_by_id=actor.user_id, created_at=utc_now())
        _audit(actor, f"{kind}_asked", row, {"why": reason})
    return row


def _want(
    actor: Actor, permission: Permission, session_id: int, what: str, why: str, *, touch: bool = True, **values: Any
) -> FixSession:
    row = _session(actor, session_id, permission)
    reason = _why(why)
    for name, value in values.items():
        setattr(row, name, value)
    fields = list(values)
    if touch:
        row.changed_by_id, row.changed_at = actor.user_id, utc_now()
        fields += ["changed_by", "changed_at"]
    with transaction.atomic():
        row.save(update_fields=fields)
        _audit(actor, what, row, {"why": reason})
    return row


def _running(actor: Actor, session_id: int, permission: Permission) -> FixSession:
    row = _session(actor, session_id, permission)
    if row.state not in _LOGGED_ON:
        raise DeskError("fix_not_logged_on", "The session is not logged on, so nothing can be asked of it.")
    return row


def _session(actor: Actor, session_id: int, permission: Permission) -> FixSession:
    if not actor.may(permission):
        raise NotAllowed
    rows = FixSession.objects.filter(pk=session_id, account__desk_id=actor.desk_id)
    row = rows.select_related("account").first()
    if row is None:
        raise NotFound("This FIX session does not exist, or it belongs to another desk.")
    return row


def _may_operate(actor: Actor) -> None:
    if not actor.may(Permission.FIX_OPERATE):
        raise NotAllowed


def _why(why: str) -> str:
    reason = why.strip()
    if not 3 <= len(reason) <= 200:
        raise DeskError("why_missing", "Say why, in 3 to 200 characters.", fields={"why": "Say why."})
    return reason


def _audit(actor: Actor, what: str, row: FixSession, data: Mapping[str, Any]) -> None:
    audit.record(
        f"fix.session.{what}",
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=row.account.environment,
        target=f"fix_session:{row.pk}",
        data={"kind": row.kind, **data},
    )
