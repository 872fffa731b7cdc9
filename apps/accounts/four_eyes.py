"""Four eyes: a change waits for a second person, bound by SHA-256 to what was asked and to what the approver saw.

A service that wants it calls `gate`; what comes back is ApprovalNeeded, which `asking` turns into a ChangeRequest. One
click of the approver carries it out with the author's rights of that moment, or ends it: nothing approved lies around.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.grants import grants_read
from apps.accounts.models import ChangeRequest, DeskPolicy, Membership
from apps.accounts.notices import notify, notify_holders
from apps.audit.services import record
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now

GOOD_FOR = timedelta(hours=24)
Params = Mapping[str, Any]
State = ChangeRequest.State


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of change.

    permission: of its author, asked when it is asked for and again when it is carried out.
    present(desk id, params): what holds now, in words by name, for the approver; it is hashed, so it must be plain.
    apply(author, request): carries it out through the service, with `approval=request`.
    is_always: wanted whatever the desk's policy says.
    approved_by: what its approver must hold, beside the right to approve.
    set_where: in words, for a kind that something else than the desk's policy asks for.
    drifting: names of `present` that move by themselves: shown, and not part of what the approver's click is bound to.
    dropped(request): tidies up what waited for it, when it was declined or has expired.
    """

    label: str
    permission: Permission
    present: Callable[[int, Params], dict[str, str]]
    apply: Callable[[Actor, ChangeRequest], None]
    is_always: bool = False
    approved_by: Permission = Permission.CHANGE_APPROVE
    good_for: timedelta = GOOD_FOR
    set_where: str = ""
    drifting: frozenset[str] = frozenset()
    dropped: Callable[[ChangeRequest], None] | None = None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Something that waits for a second person on another page."""

    title: str
    asked_by_id: int
    expires_at: Any
    url: str


kinds: dict[str, Kind] = {}
# Filled by the apps on the right: actor -> what waits there.
elsewhere: list[Callable[[Actor], list[Elsewhere]]] = []


class ApprovalNeeded(DeskError):
    """Nothing was done: a second person has to approve exactly this."""

    def __init__(self, kind: str, title: str, params: Params) -> None:
        super().__init__("approval_needed", "A second person has to approve this.")
        self.kind, self.title, self.params = kind, title, dict(params)


def is_wanted(desk_id: int, kind: str) -> bool:
    if kind in kinds and kinds[kind].is_always:
        return True
    policy = DeskPolicy.objects.filter(desk_id=desk_id).first()
    return policy is not None and kind in policy.four_eyes


def gate(desk_id: int, kind: str, title: str, params: Params, *, approval: ChangeRequest | None) -> None:
    """Let it pass where nobody wants four eyes, or with the approval of exactly this, being carried out.

    Raises ApprovalNeeded; DeskError `approval_mismatch`.
    """
    if approval is not None:
        is_this = (approval.desk_id, approval.kind, approval.params) == (desk_id, kind, _plain(params))
        if not is_this or approval.state != State.USED or approval.content_hash != _content_hash(approval):
            raise DeskError("approval_mismatch", "What was approved is something else. Nothing was done.")
        return
    if is_wanted(desk_id, kind):
        raise ApprovalNeeded(kind, title, params)


def asking(actor: Actor, act: Callable[[], object]) -> ChangeRequest | None:
    """Do it, or ask a second person; returns the request that was made, if any. Raises as `act` does."""
    try:
        act()
    except ApprovalNeeded as needed:
        return change_ask(actor, needed)
    return None


def change_ask(actor: Actor, needed: ApprovalNeeded) -> ChangeRequest:
    """Write down what is asked for, and tell who may approve it. Asked again while it waits, it is the same one.

    Raises NotAllowed.
    """
    kind = kinds[needed.kind]
    if not actor.reach(kind.permission):
        raise NotAllowed
    now = utc_now()
    row = ChangeRequest(
        desk_id=actor.desk_id,
        kind=needed.kind,
        title=needed.title[:200],
        params=_plain(needed.params),
        before=kind.present(actor.desk_id, needed.params),
        asked_by_id=actor.user_id,
        asked_at=now,
        expires_at=now + kind.good_for,
    )
    row.content_hash = _content_hash(row)
    with transaction.atomic():
        asked = changes_open(actor.desk_id).filter(kind=row.kind, asked_by_id=actor.user_id)
        # What was true when it was asked first may have drifted since: it is the same wish.
        same = next((one for one in asked if one.params == row.params and _is_same(kind, one.before, row.before)), None)
        if same is not None:
            return same
        row.save()
        _record(row, "asked", actor.user_id, {"title": row.title, "params": row.params, "hash": row.content_hash})
        text = f"Waits for your approval: {row.title}."
        notify_holders(actor.desk_id, kind.approved_by, "approval.asked", text, but=actor.user_id)
    return row


def change_approve(actor: Actor, request_id: int, *, hash_seen: str) -> ChangeRequest:
    """Carry out exactly what was seen, with the author's rights of now.

    Raises:
        NotAllowed, NotFound: role; another desk's.
        DeskError: `own_approval`, `approval_over`, `approval_expired`, `approval_changed`. Nothing was done.
    """
    if not actor.may(Permission.CHANGE_APPROVE):
        raise NotAllowed
    with transaction.atomic():
        row = _locked(actor.desk_id, request_id)
        if not actor.may(kinds[row.kind].approved_by):
            raise NotAllowed("Your roles on this desk do not allow you to approve this.")
        if row.asked_by_id == actor.user_id:
            raise DeskError("own_approval", "You asked for this yourself: somebody else has to approve it.")
        if row.expires_at <= utc_now():
            raise DeskError("approval_expired", "This has expired. It has to be asked for again.")
        if row.content_hash != _content_hash(row) or hash_seen != seen_hash(row):
            raise DeskError("approval_changed", "This is not what you were shown. Look again; nothing was done.")
        row.state, row.decided_by_id, row.decided_at = State.USED, actor.user_id, utc_now()
        row.save(update_fields=["state", "decided_by", "decided_at"])
        try:
            with transaction.atomic():
                kinds[row.kind].apply(_author(row), row)
        except DeskError as exc:
            row.state, row.words = State.FAILED, exc.text[:300]
            row.save(update_fields=["state", "words"])
            _dropped(row)
        _record(row, row.state, actor.user_id, {"title": row.title, "hash": row.content_hash, "words": row.words})
        outcome = "was approved and carried out" if row.state == State.USED else "was approved, but could not be done"
        notify([row.asked_by_id], "approval.decided", f"{row.title}: it {outcome}.")
    return row


def change_decline(actor: Actor, request_id: int, *, words: str = "") -> ChangeRequest:
    """Decline it, or withdraw one's own. Raises NotAllowed, NotFound, DeskError `approval_over`."""
    with transaction.atomic():
        row = _locked(actor.desk_id, request_id)
        is_own = row.asked_by_id == actor.user_id
        if not is_own and not actor.may(Permission.CHANGE_APPROVE):
            raise NotAllowed
        row.state, row.decided_at = State.DECLINED, utc_now()
        row.decided_by_id = None if is_own else actor.user_id
        row.words = (words or ("Withdrawn by its author." if is_own else ""))[:300]
        row.save(update_fields=["state", "decided_at", "decided_by", "words"])
        _dropped(row)
        _record(row, "declined", actor.user_id, {"title": row.title, "words": row.words})
        if not is_own:
            notify([row.asked_by_id], "approval.decided", f"{row.title}: it was declined.")
    return row


def changes_open(desk_id: int) -> QuerySet[ChangeRequest]:
    return ChangeRequest.objects.filter(desk_id=desk_id, state=State.OPEN, expires_at__gt=utc_now()).order_by("pk")


def changes_listed(actor: Actor) -> tuple[list[ChangeRequest], list[ChangeRequest]]:
    """What waits and what was decided lately: everything for who approves or audits, else one's own."""
    rows = ChangeRequest.objects.filter(desk_id=actor.desk_id).select_related("asked_by", "decided_by")
    if not (actor.may(Permission.CHANGE_APPROVE) or actor.may(Permission.AUDIT_VIEW)):
        rows = rows.filter(asked_by_id=actor.user_id)
    now = utc_now()
    waiting = rows.filter(state=State.OPEN, expires_at__gt=now).order_by("pk")
    over = rows.exclude(pk__in=waiting.values("pk")).order_by("-pk")
    return list(waiting), list(over[:20])


def moved_since(row: ChangeRequest) -> list[dict[str, str]]:
    """What holds now beside what held when it was asked for, by name."""
    now = kinds[row.kind].present(row.desk_id, row.params)
    names = [*row.before, *(name for name in now if name not in row.before)]
    return [{"name": name, "before": row.before.get(name, "-"), "now": now.get(name, "-")} for name in names]


def seen_hash(row: ChangeRequest) -> str:
    """What an approver says they saw: the request, and what it would change as it is now."""
    kind = kinds[row.kind]
    now = kind.present(row.desk_id, row.params)
    return _hash([row.content_hash, {name: text for name, text in now.items() if name not in kind.drifting}])


def changes_expire() -> int:
    """Tidy up after what nobody decided in time; returns how many."""
    late = ChangeRequest.objects.filter(state=State.OPEN, expires_at__lte=utc_now()).order_by("pk")
    done = 0
    for one in late:
        with transaction.atomic():
            row = ChangeRequest.objects.select_for_update().get(pk=one.pk)
            if row.state == State.OPEN:
                row.state, row.words = State.DECLINED, "It expired: nobody decided it in time."
                row.save(update_fields=["state", "words"])
                _dropped(row)
                _record(row, "expired", None, {"title": row.title})
                done += 1
    return done


def _dropped(row: ChangeRequest) -> None:
    drop = kinds[row.kind].dropped
    if drop is not None:
        drop(row)


def _is_same(kind: Kind, before: Params, now: Params) -> bool:
    names = (before.keys() | now.keys()) - kind.drifting
    return all(before.get(name) == now.get(name) for name in names)


def _author(row: ChangeRequest) -> Actor:
    membership = Membership.objects.filter(
        user_id=row.asked_by_id, desk_id=row.desk_id, is_active=True, user__is_active=True
    ).first()
    author = None
    if membership is not None:
        grants = grants_read(membership.grants)
        author = Actor(row.asked_by_id, row.desk_id, frozenset(membership.roles), grants=grants)
    # On less than the desk, too: what it is carried out by asks again where.
    if author is None or not author.reach(kinds[row.kind].permission):
        raise NotAllowed("The person who asked may no longer do this on the desk.")
    return author


def _locked(desk_id: int, request_id: int) -> ChangeRequest:
    row = ChangeRequest.objects.select_for_update().filter(pk=request_id, desk_id=desk_id).first()
    if row is None:
        raise NotFound("This request does not exist, or it belongs to another desk.")
    if row.state != State.OPEN:
        raise DeskError("approval_over", "This was decided already.")
    return row


def _content_hash(row: ChangeRequest) -> str:
    return _hash([row.desk_id, row.kind, row.asked_by_id, row.params, row.before])


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(params: Params) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dict(params)))
    return plain


def _record(row: ChangeRequest, what: str, actor_id: int | None, data: Params) -> None:
    record(
        f"accounts.change.{what}",
        actor_id=actor_id,
        desk_id=row.desk_id,
        target=f"change_request:{row.pk}",
        data={"kind": row.kind, **data},
    )
