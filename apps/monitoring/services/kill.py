"""Pull and release the kill switch of a desk. What takes everything off the exchange is `kill_pass`.

The pull is one short transaction: from its commit on nothing new passes (`orders.services.pauses.pause_check`, asked
when something is submitted and again by every sender). When the database does not take it, it is kept in a file that
holds back this machine's orders just the same, and that the gateway acts on (`apps.orders.killed`).
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db import DatabaseError, IntegrityError, InterfaceError, transaction

from apps.accounts.four_eyes import Kind, Params, gate, kinds
from apps.accounts.models import ChangeRequest, Desk, Membership, User
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.prepared import Prepared
from apps.core.rfq import RfqState
from apps.core.timestamps import to_unix_ms, utc_now
from apps.monitoring import events, queue
from apps.monitoring.models import KillRun
from apps.orders import killed
from apps.orders.access import require
from apps.orders.models import TradingPause
from apps.orders.services.pauses import kill_clear, kill_set
from apps.rfq.models import Quote, QuoteRule, Rfq
from apps.rfq.services.quotes import LIVE as LIVE_QUOTES
from apps.rfq.services.quotes import pull_want
from apps.rfq.services.requests import close_want
from apps.rfq.services.rules import rule_disarm

logger = logging.getLogger(__name__)

COMMAND_LINE = "command-line"  # the name under which rows keep what nobody signed in did
_OPEN_RFQS = (RfqState.COMMITTED, RfqState.SENDING, RfqState.UNKNOWN, RfqState.OPEN)
WHY_AT_MOST = 200
RELEASE = "release"  # the kind of its approvals
RELEASE_GOOD_FOR = timedelta(hours=1)


def kill_pull(actor: Actor, *, why: str) -> KillRun | None:
    """Stop everybody on the desk and have everything taken off the exchange. Pulled again, it is returned as it is.

    Returns None when the database did not take it: then the file holds, and the gateway goes on from it.

    Raises NotAllowed; OSError when neither the database nor the disk takes it.
    """
    require(actor, Permission.KILL_PULL)
    try:
        try:
            return kill_commit(desk_id=actor.desk_id, by_id=actor.user_id, why=why)
        except IntegrityError:
            # Two people pulled at the same moment: the other's stands, and is found now.
            return kill_commit(desk_id=actor.desk_id, by_id=actor.user_id, why=why)
    except (DatabaseError, InterfaceError):
        logger.exception("the database did not take the kill switch; it is kept in a file")
        # Which desk that is would have to be asked of the database: every desk of this machine stops.
        killed.write(killed.Marker(at_ms=to_unix_ms(utc_now()), why=why[:WHY_AT_MOST], by=actor.user_id))
        return None


def kill_commit(
    *,
    desk_id: int,
    by_id: int,
    why: str,
    origin: KillRun.Origin = KillRun.Origin.PAGE,
    by_text: str = "",
) -> KillRun:
    """Commit the kill with its audit row, then withdraw what the database knows of. Raises DatabaseError."""
    with transaction.atomic():
        pause = kill_set(desk_id=desk_id, by_id=by_id, why=why.strip()[:WHY_AT_MOST])
        run, is_new = KillRun.objects.get_or_create(
            pause=pause, defaults={"desk_id": desk_id, "origin": origin, "by_text": by_text[:80]}
        )
        if is_new:
            audit.record(
                "monitoring.kill.pulled",
                actor_id=by_id if origin == KillRun.Origin.PAGE else None,
                desk_id=desk_id,
                target=f"kill_run:{run.pk}",
                data={"why": pause.why, "origin": origin, "by": by_text[:80]},
            )
            events.kill_publish(desk_id)
            queue.enqueue_on_commit(queue.KILL_SWEEP)
    if is_new:
        _withdraw(desk_id, by_id=by_id)
    return run


def kill_release(
    actor: Actor, *, why: str, although_left: bool = False, approval: ChangeRequest | None = None
) -> KillRun:
    """Let orders pass again. Nothing that was cancelled comes back, and rules stay disarmed.

    although_left: release even though something is, or may be, left at the exchange.

    Raises NotAllowed, NotFound, DeskError `no_reason`, `kill_left`; ApprovalNeeded where the desk wants four eyes.
    """
    require(actor, Permission.KILL_RELEASE)
    reason = why.strip()
    if len(reason) < 3:
        raise DeskError("no_reason", "Say why it is released.", fields={"why": "A few words are needed."})
    marker_take()
    with transaction.atomic():
        pause = (
            TradingPause.objects.select_for_update()
            .filter(desk_id=actor.desk_id, level=TradingPause.Level.KILL, released_at=None)
            .first()
        )
        if pause is None:
            raise NotFound("The kill switch of this desk is not pulled.")
        run = KillRun.objects.get(pause=pause)
        if run.clean_at is None and not although_left:
            text = "Something is, or may be, left at the exchange. Wait for it, or release although it is."
            raise DeskError("kill_left", text, fields={"although_left": text})
        params = {"pause_id": pause.pk, "why": reason, "although_left": although_left}
        gate(actor.desk_id, RELEASE, f"Release the kill switch: {reason}"[:200], params, approval=approval)
        kill_clear(pause, by_id=actor.user_id, why=reason)
        audit.record(
            "monitoring.kill.released",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            target=f"kill_run:{run.pk}",
            data={
                "why": reason[:WHY_AT_MOST],
                "although_left": run.clean_at is None,
                "approved_by": approval.decided_by_id if approval else None,
            },
        )
        events.kill_publish(actor.desk_id)
    run.pause = pause
    return run


def register() -> None:
    kinds[RELEASE] = Kind(
        "Releasing the kill switch",
        Permission.KILL_RELEASE,
        _held_now,
        _release_apply,
        approved_by=Permission.KILL_RELEASE,
        good_for=RELEASE_GOOD_FOR,
    )


def _held_now(desk_id: int, params: Params) -> dict[str, str]:
    run = kill_in_force(desk_id)
    if run is None or run.pause_id != params["pause_id"]:
        return {"kill switch": "not pulled any more"}
    left = "nothing" if run.clean_at is not None else "something is, or may be, left at the exchange"
    return {"kill switch": f"pulled at {run.pause.set_at:%Y-%m-%d %H:%M:%S} UTC: {run.pause.why or '-'}", "left": left}


def _release_apply(author: Actor, request: ChangeRequest) -> None:
    params = request.params
    kill_release(author, why=params["why"], although_left=params["although_left"], approval=request)


_in_force = Prepared(lambda desk_id: KillRun.objects.filter(desk_id=desk_id, pause__released_at=None)[:1])


def kill_in_force(desk_id: int) -> KillRun | None:
    if not _in_force(desk_id):  # every page asks, and hardly ever is there one
        return None
    rows = KillRun.objects.filter(desk_id=desk_id, pause__released_at=None).select_related("pause__set_by")
    return rows.order_by("-pk").first()


def marker_take() -> list[KillRun]:
    """Carry a kill that is only in the file into the database, then remove the file. Raises DatabaseError."""
    marker = killed.read()
    if marker is None:
        return []
    desks = Desk.objects.filter(slug=marker.desk_slug) if marker.desk_slug else Desk.objects.all()
    runs = [_of_marker(desk, marker) for desk in desks.order_by("pk")]
    killed.remove()
    return runs


def lead_actor(*, desk: Desk, username: str) -> Actor:
    """Return the lead who releases at the command line. Raises NotAllowed."""
    membership = Membership.objects.filter(
        desk=desk, user__username=username, is_active=True, user__is_active=True
    ).first()
    actor = None
    if membership is not None:
        actor = Actor(user_id=membership.user_id, desk_id=desk.pk, roles=frozenset(membership.roles))
    if actor is None or not actor.may(Permission.KILL_RELEASE):
        raise NotAllowed(f"{username or 'Nobody'} is no lead of {desk.name}: only a lead releases the kill switch.")
    return actor


def _of_marker(desk: Desk, marker: killed.Marker) -> KillRun:
    member = marker.by is not None and Membership.objects.filter(desk=desk, user_id=marker.by).exists()
    return kill_commit(
        desk_id=desk.pk,
        by_id=marker.by if member and marker.by is not None else command_line_user().pk,
        why=marker.why,
        origin=KillRun.Origin.PAGE if member else KillRun.Origin.COMMAND,
        by_text=marker.by_text,
    )


def command_line_user() -> User:
    """Who stands in rows for people at the command line: may not sign in, is a member of nothing."""
    user, is_new = User.objects.get_or_create(
        username=COMMAND_LINE, defaults={"display_name": "Command line", "is_active": False}
    )
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def _withdraw(desk_id: int, *, by_id: int) -> None:
    """Disarm, and want gone what the database knows of. The passes find the rest; a failure here stops nothing."""
    now, why = utc_now(), "the kill switch was pulled"
    for pk in QuoteRule.objects.filter(desk_id=desk_id, state=QuoteRule.State.ARMED).values_list("pk", flat=True):
        _try(partial(rule_disarm, pk, why=why, code="killed"), f"rule {pk}")
    for quote in Quote.objects.select_related("account").filter(
        desk_id=desk_id, state__in=LIVE_QUOTES, pull_wanted_at=None
    ):
        _try(partial(pull_want, quote, actor_id=by_id, why=why, now=now), f"quote {quote.pk}")
    for rfq in Rfq.objects.select_related("account").filter(
        desk_id=desk_id, state__in=_OPEN_RFQS, close_wanted_at=None
    ):
        _try(partial(close_want, rfq, actor_id=by_id, why=why, now=now), f"request {rfq.pk}")


def _try(act: Callable[[], object], what: str) -> None:
    try:
        with transaction.atomic():
            act()
    except (DeskError, DatabaseError, InterfaceError):
        logger.exception("kill switch: %s was not withdrawn here; the passes look at the exchange", what)
