"""What a database out of a backup must not believe any more: done to it before anybody can start a desk on it.

Between the backup and now the old desk went on. Whatever the rows say is about to be sent may have been sent; whatever
they say is allowed may have been taken back. So nothing of it is sent again, nothing quotes, nobody is signed in, and
no order passes until each account was compared with the exchange and a lead has opened trading (docs/runbook.md).
"""

from collections.abc import Callable
from datetime import datetime

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from apps.accounts.models import ChangeRequest, Desk, Invitation, SignIn
from apps.audit import services as audit
from apps.core.rfq import QuoteState, RfqState
from apps.core.timestamps import from_unix_ms, utc_now
from apps.data_api.models import DataToken
from apps.fix.models import FixAsk, FixCommand, FixSession
from apps.monitoring.models import KioskLink
from apps.monitoring.services.kill import command_line_user
from apps.operations.manifest import Manifest
from apps.operations.models import Restoration
from apps.orders.models import ChangeIntent, GroupAction, OrderIntent, TradingPause
from apps.portfolio.models import SubaccountAction
from apps.rfq.models import Accept, Approval, Quote, QuoteRule, Rfq
from apps.rfq.services.quotes import LIVE as LIVE_QUOTES
from apps.rfq.services.quotes import pull_want
from apps.rfq.services.requests import close_want
from apps.rfq.services.rules import rule_disarm

WHY = "the desk was restored from a backup"
CODE = "restored"
IN_DOUBT = "The desk was restored from a backup: whether this was sent is not known. It is looked up, not sent again."
GIVEN_UP = "The desk was restored from a backup: whether this was sent is not known. It is not sent again."
FIX_STATE = (
    "Stopped: the desk was restored from a backup, and its sequence numbers are not the exchange's any more. "
    "The next logon starts both sides at 1 (141=Y); what was missed is read by drop copy and REST."
)
_CLAIMED_AT = Coalesce("claimed_at", "created_at")
_SENT_AT = Coalesce("sent_at", "created_at")
_OPEN_RFQS = (RfqState.COMMITTED, RfqState.SENDING, RfqState.UNKNOWN, RfqState.OPEN)


def desks_close(manifest: Manifest, *, sha256: str, accepted: str) -> dict[str, int]:
    """Close every desk and take back what may not be true any more; returns how much of what, in words.

    Inside one transaction: all of it is in the database, or nothing.
    """
    now = utc_now()
    with transaction.atomic():
        done = {name: act(now) for name, act in _STEPS.items()}
        by = command_line_user()
        said = {"made_at_ms": manifest.made_at_ms, "sha256": sha256, "accepted": accepted, **done}
        audit.record("operations.backup.restored", actor_id=None, desk_id=0, data=said)
        for desk in Desk.objects.order_by("pk"):
            pause = TradingPause.objects.create(
                desk=desk,
                scope=TradingPause.Scope.DESK,
                why=f"Restored from the backup of {from_unix_ms(manifest.made_at_ms):%Y-%m-%d %H:%M} UTC: "
                "not compared with the exchange yet",
                set_by=by,
                set_at=now,
            )
            Restoration.objects.create(
                desk=desk,
                pause=pause,
                made_at=from_unix_ms(manifest.made_at_ms),
                restored_at=now,
                sha256=sha256,
                accepted=accepted[:300],
            )
            target = f"trading_pause:{pause.pk}"
            audit.record("operations.backup.restored", actor_id=None, desk_id=desk.pk, target=target, data=said)
    return done


def _orders(now: datetime) -> int:
    state = OrderIntent.State
    rows = OrderIntent.objects.filter(state__in=[state.COMMITTED, state.SENDING])
    # answered_at is the last moment at which a byte of it may have left: with the old desk, until now. The look
    # begins at the claim, or where there was none at the commit.
    return rows.update(
        state=state.UNKNOWN,
        error_code=CODE,
        error_text=IN_DOUBT,
        answered_at=now,
        next_look_at=now,
        version=F("version") + 1,
    )


def _changes(now: datetime) -> int:
    state = ChangeIntent.State
    rows = ChangeIntent.objects.filter(state__in=[state.COMMITTED, state.SENDING, state.UNKNOWN])
    doubt = rows.filter(kind=ChangeIntent.Kind.AMEND).update(
        state=state.UNKNOWN, sent_at=_SENT_AT, error_code=CODE, error_text=IN_DOUBT, next_attempt_at=now
    )
    # A decrease is repeated by its nature; what it says may be older than a later amend.
    ended = rows.filter(kind=ChangeIntent.Kind.DECREASE)
    return doubt + ended.update(state=state.NOT_SEEN, resolved_at=now, error_code=CODE, error_text=GIVEN_UP)


def _groups(now: datetime) -> int:
    state, kind = GroupAction.State, GroupAction.Kind
    rows = GroupAction.objects.filter(state__in=[state.COMMITTED, state.SENDING, state.UNKNOWN])
    repeated = rows.filter(kind__in=[kind.TRIGGER, kind.DELETE])
    ended = repeated.update(state=state.REFUSED, resolved_at=now, error_code=CODE, error_text=GIVEN_UP)
    doubt = rows.exclude(kind__in=[kind.TRIGGER, kind.DELETE]).update(
        state=state.UNKNOWN, sent_at=_SENT_AT, error_code=CODE, error_text=IN_DOUBT, next_attempt_at=now
    )
    return ended + doubt


def _subaccounts(now: datetime) -> int:
    state, kind = SubaccountAction.State, SubaccountAction.Kind
    rows = SubaccountAction.objects.filter(state__in=[state.COMMITTED, state.SENDING, state.UNKNOWN])
    # A transfer goes on with its id, of which the exchange makes one; a switch of old is not repeated.
    netting = rows.filter(kind=kind.NETTING)
    ended = netting.update(state=state.NOT_SEEN, resolved_at=now, error_code=CODE, error_text=GIVEN_UP)
    doubt = rows.filter(kind=kind.CREATE, state__in=[state.COMMITTED, state.SENDING]).update(
        state=state.UNKNOWN, sent_at=_SENT_AT, in_doubt_at=now, error_code=CODE, error_text=IN_DOUBT
    )
    return ended + doubt


def _requests(now: datetime) -> int:
    fresh = Rfq.objects.filter(state__in=[RfqState.COMMITTED, RfqState.SENDING])
    fresh.update(
        state=RfqState.UNKNOWN, claimed_at=_CLAIMED_AT, error_code=CODE, error_text=IN_DOUBT, version=F("version") + 1
    )
    accepts = Accept.objects.filter(state__in=[Accept.State.COMMITTED, Accept.State.SENDING])
    number: int = accepts.update(
        state=Accept.State.UNKNOWN, claimed_at=_CLAIMED_AT, next_look_at=now, error_code=CODE, error_text=IN_DOUBT
    )
    for rfq in Rfq.objects.select_related("account").filter(state__in=_OPEN_RFQS, close_wanted_at=None):
        close_want(rfq, actor_id=None, why=WHY, now=now)
        number += 1
    return number


def _quotes(now: datetime) -> int:
    fresh = Quote.objects.filter(state__in=[QuoteState.COMMITTED, QuoteState.SENDING])
    fresh.update(
        state=QuoteState.UNKNOWN, claimed_at=_CLAIMED_AT, error_code=CODE, error_text=IN_DOUBT, version=F("version") + 1
    )
    number = 0
    for quote in Quote.objects.select_related("account").filter(state__in=LIVE_QUOTES, pull_wanted_at=None):
        pull_want(quote, actor_id=None, why=WHY, now=now)
        number += 1
    return number


def _rules(now: datetime) -> int:
    armed = QuoteRule.objects.filter(state=QuoteRule.State.ARMED).values_list("pk", flat=True)
    return sum(rule_disarm(pk, why=WHY, code=CODE) for pk in list(armed))


def _approvals(now: datetime) -> int:
    waits = Approval.objects.filter(state__in=[Approval.State.OPEN, Approval.State.APPROVED])
    number = waits.update(state=Approval.State.EXPIRED, words="The desk was restored: ask again.")
    asked = ChangeRequest.objects.filter(state=ChangeRequest.State.OPEN)
    return number + asked.update(state=ChangeRequest.State.FAILED, words="The desk was restored: ask again.")


def _sessions(now: datetime) -> int:
    SignIn.objects.all().delete()
    return Session.objects.all().delete()[0]


def _links(now: datetime) -> int:
    """One that was taken back after the backup would open again, so all of them end."""
    number = Invitation.objects.filter(accepted_at=None, revoked_at=None).update(revoked_at=now)
    number += KioskLink.objects.filter(revoked_at=None).update(revoked_at=now)
    return number + DataToken.objects.filter(revoked_at=None).update(revoked_at=now)


def _fix(now: datetime) -> int:
    FixAsk.objects.filter(taken_at=None).update(taken_at=now)
    FixCommand.objects.filter(state__in=FixCommand.OPEN).update(
        state=FixCommand.State.DOUBT, answered_at=now, code=CODE, text=IN_DOUBT
    )
    number: int = FixSession.objects.update(
        is_wanted=False,
        is_reset_wanted=True,
        state=FixSession.State.STOPPED,
        state_text=FIX_STATE,
        state_since=now,
        next_in=1,
        next_out=1,
        gap_to=None,
    )
    return number


_STEPS: dict[str, Callable[[datetime], int]] = {
    "orders in doubt": _orders,
    "changes ended": _changes,
    "group actions ended": _groups,
    "subaccount actions ended": _subaccounts,
    "requests and accepts withdrawn": _requests,
    "quotes withdrawn": _quotes,
    "rules disarmed": _rules,
    "approvals ended": _approvals,
    "sessions ended": _sessions,
    "links and tokens ended": _links,
    "FIX sessions stopped": _fix,
}
