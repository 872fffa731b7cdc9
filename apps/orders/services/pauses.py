"""Pauses: while one is in force no order of whom it names passes; cancels always do.

Anybody who trades may pause themselves, and may pull the switch for everybody; only who may release a
kill switch releases that one, and a pause that a lead set on a person. A kill is a pause, too (apps.monitoring).
"""

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.accounts.access import accounts_visible
from apps.accounts.models import ExchangeAccount, Membership
from apps.audit import services as audit
from apps.core import ports
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now
from apps.orders import killed, trading_events
from apps.orders.access import require, require_somewhere
from apps.orders.models import TradingPause

Scope = TradingPause.Scope

_in_force = Prepared(lambda desk_id: pauses_in_force(desk_id))


def pauses_in_force(desk_id: int) -> QuerySet[TradingPause]:
    return TradingPause.objects.filter(desk_id=desk_id, released_at=None).order_by("pk")


def pause_check(*, user_id: int, desk_id: int) -> None:
    """Raises DeskError `paused`, or `killed`, while this person may not place or amend orders."""
    if killed.is_set():
        raise DeskError("killed", killed.TEXT)
    holding = [one for one in _in_force(desk_id) if one.user_id in (None, user_id)]
    kill = next((one for one in holding if one.level == TradingPause.Level.KILL), None)
    if kill is not None:
        why = f": {kill.why}" if kill.why else ""
        text = f"The kill switch was pulled at {kill.set_at:%H:%M:%S} UTC{why}. Only a lead releases it."
        raise DeskError("killed", text)
    pause = next(iter(holding), None)
    if pause is None:
        return
    whom = "Trading is paused for everybody" if pause.user_id is None else "Your trading is paused"
    why = f": {pause.why}" if pause.why else ""
    whose = "A lead can release it." if needs_lead(pause) else "Resume it at the top of the page."
    raise DeskError("paused", f"{whom} since {pause.set_at:%H:%M:%S} UTC{why}. {whose} Cancels still work.")


def needs_lead(pause: TradingPause) -> bool:
    return pause.scope == Scope.DESK or pause.set_by_id != pause.user_id


def pause_set(actor: Actor, *, scope: TradingPause.Scope, user_id: int | None = None, why: str = "") -> TradingPause:
    """Stop orders of oneself, of another person (lead), or of everybody. The same pause again is returned as it is.

    Raises NotAllowed, NotFound.
    """
    whom = None if scope == Scope.DESK else user_id or actor.user_id
    if whom == actor.user_id:
        require_somewhere(actor, Permission.ORDER_CANCEL)
    else:
        require(actor, Permission.ORDER_CANCEL)
    if whom not in (None, actor.user_id):
        if not actor.may(Permission.LIMIT_MANAGE):
            raise NotAllowed("Only a lead pauses somebody else. You can pause yourself, or everybody.")
        if not Membership.objects.filter(desk_id=actor.desk_id, user_id=whom).exists():
            raise NotFound("This person is not on this desk.")
    with transaction.atomic():
        same = pauses_in_force(actor.desk_id).filter(level=TradingPause.Level.PAUSE)
        known = same.filter(Q(user=None) if whom is None else Q(user_id=whom)).first()
        if known is not None and (needs_lead(known) or not actor.may(Permission.LIMIT_MANAGE)):
            return known
        pause = TradingPause.objects.create(
            desk_id=actor.desk_id,
            scope=scope,
            user_id=whom,
            why=why[:200],
            set_by_id=actor.user_id,
            set_at=utc_now(),
        )
        _record(actor, "orders.pause.set", pause)
    return pause


def pause_release(actor: Actor, pause_id: int) -> TradingPause:
    """Let orders pass again. Raises NotAllowed, NotFound, DeskError `killed`, `held`."""
    require_somewhere(actor, Permission.ORDER_CANCEL)
    with transaction.atomic():
        pause = TradingPause.objects.select_for_update().filter(pk=pause_id, desk_id=actor.desk_id).first()
        if pause is None:
            raise NotFound("This pause does not exist, or it belongs to another desk.")
        if pause.level == TradingPause.Level.KILL:
            raise DeskError("killed", "This is the kill switch. Release it on its page, with a reason.")
        is_own = pause.user_id == actor.user_id and not needs_lead(pause)
        if not is_own and not actor.may(Permission.KILL_RELEASE):
            raise NotAllowed("Only a lead releases this pause.")
        for hold in ports.release_holds:
            if why := hold(pause.pk):
                raise DeskError("held", why)
        if pause.released_at is None:
            pause.released_at, pause.released_by_id = utc_now(), actor.user_id
            pause.save(update_fields=["released_at", "released_by"])
            _record(actor, "orders.pause.released", pause)
    return pause


def kill_set(*, desk_id: int, by_id: int, why: str) -> TradingPause:
    """Hold back everybody until `kill_clear`; inside the caller's transaction, which also records it."""
    known = pauses_in_force(desk_id).filter(level=TradingPause.Level.KILL).first()
    if known is not None:
        return known
    pause = TradingPause.objects.create(
        desk_id=desk_id,
        scope=Scope.DESK,
        level=TradingPause.Level.KILL,
        why=why[:200],
        set_by_id=by_id,
        set_at=utc_now(),
    )
    _publish(desk_id)
    return pause


def kill_clear(pause: TradingPause, *, by_id: int, why: str) -> None:
    """End a kill; inside the caller's transaction, which also asks for the right and records it."""
    pause.released_at, pause.released_by_id, pause.release_why = utc_now(), by_id, why[:200]
    pause.save(update_fields=["released_at", "released_by", "release_why"])
    _publish(pause.desk_id)


def desk_account_ids(actor: Actor) -> list[int]:
    """The active accounts of the actor's desk: what a kill switch cancels."""
    return [account.pk for account in accounts_visible(actor)]


def _record(actor: Actor, action: str, pause: TradingPause) -> None:
    audit.record(
        action,
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        target=f"trading_pause:{pause.pk}",
        data={"scope": pause.scope, "user_id": pause.user_id, "why": pause.why},
    )
    _publish(actor.desk_id)


def _publish(desk_id: int) -> None:
    for account in ExchangeAccount.objects.filter(desk_id=desk_id, is_active=True):
        trading_events.trading_publish(account.pk)
