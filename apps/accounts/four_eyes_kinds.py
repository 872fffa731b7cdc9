"""The changes of people that a second person looks at: roles, lost second factors, and the list of these itself."""

from collections.abc import Iterable

from allauth.mfa.models import Authenticator
from django.db import transaction

from apps.accounts import services, sign_ins, team
from apps.accounts.four_eyes import Kind, Params, gate, kinds
from apps.accounts.grant_changes import grants_change
from apps.accounts.grants import account_names, grants_read, words_of
from apps.accounts.models import ChangeRequest, Desk, DeskPolicy, Membership, User
from apps.accounts.notices import notify
from apps.audit.services import record
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now


def register() -> None:
    kinds["roles"] = Kind("Roles that are added", Permission.PEOPLE_MANAGE, _roles_now, _roles_apply)
    kinds["factor"] = Kind("A lost second factor", Permission.PEOPLE_MANAGE, _factor_now, _factor_apply, is_always=True)
    kinds["masking"] = Kind("Showing amounts to viewers again", Permission.CHANGE_APPROVE, _masking_now, _masking_apply)
    kinds["policy"] = Kind(
        "Fewer second pairs of eyes", Permission.CHANGE_APPROVE, _policy_now, _policy_apply, is_always=True
    )


# --- roles ------------------------------------------------------------------------------------------


def _roles_now(desk_id: int, params: Params) -> dict[str, str]:
    row = Membership.objects.filter(desk_id=desk_id, user_id=params["user_id"]).first()
    if row is None:
        return {"roles": "not on this desk"}
    facts = {"roles": ", ".join(row.roles) or "none"}
    if row.grants or "grants" in params:
        given = [one["text"] for one in words_of(grants_read(row.grants), account_names(desk_id))]
        facts["on single accounts"] = ", ".join(given) or "none"
    return facts


def _roles_apply(author: Actor, request: ChangeRequest) -> None:
    params = request.params
    if "grants" in params:
        add = grants_read(params["grants"])
        grants_change(request.desk, user_id=params["user_id"], add=add, actor=author, approval=request)
        return
    services.roles_set(request.desk, user_id=params["user_id"], roles=params["roles"], actor=author, approval=request)


# --- a lost second factor -----------------------------------------------------------------------------


def factor_reset(actor: Actor | None, user: User, *, desk_id: int, approval: ChangeRequest | None = None) -> int:
    """Take all second factors of a person away and end their sessions; returns how many factors.

    Their password stays, and nobody can set it for them: a reset opens nothing by itself.

    Args:
        actor: an admin of a desk of the person, with a second person's approval; None for the command line.

    Raises NotAllowed, ApprovalNeeded; DeskError `no_factor`.
    """
    if actor is not None:
        if actor.desk_id != desk_id or not actor.may(Permission.PEOPLE_MANAGE):
            raise NotAllowed
        team.person_get(actor, user.pk)
    with transaction.atomic():
        factors = Authenticator.objects.filter(user=user)
        if not factors.exists():
            raise DeskError("no_factor", "This person has no second factor.")
        if actor is not None:
            title = f"Take away the second factor of {user.get_username()}"
            gate(desk_id, "factor", title, {"user_id": user.pk}, approval=approval)
        count: int = factors.count()
        factors.delete()
        sign_ins.sign_ins_end(user, actor_id=actor.user_id if actor else None)
        record(
            "accounts.factor.reset",
            actor_id=actor.user_id if actor else None,
            desk_id=desk_id,
            target=f"user:{user.pk}",
            data={"factors": count, "approval": approval.pk if approval else None},
        )
        notify([user.pk], "factor.reset", "Your second factors were taken away by your desk. Set up a new one now.")
    return count


def _factor_now(desk_id: int, params: Params) -> dict[str, str]:
    kinds_of = Authenticator.objects.filter(user_id=params["user_id"]).order_by("pk").values_list("type", flat=True)
    return {"second factors": ", ".join(kinds_of) or "none"}


def _factor_apply(author: Actor, request: ChangeRequest) -> None:
    user = team.person_get(author, request.params["user_id"]).user
    factor_reset(author, user, desk_id=request.desk_id, approval=request)


# --- what four eyes are wanted for --------------------------------------------------------------------


def policy_set(actor: Actor, wanted: Iterable[str], *, approval: ChangeRequest | None = None) -> DeskPolicy:
    """Say what the desk wants a second person for. More counts at once; less needs a second person itself.

    Raises NotAllowed, ApprovalNeeded; DeskError `bad_input`.
    """
    if not actor.may(Permission.CHANGE_APPROVE):
        raise NotAllowed
    chosen = sorted(set(wanted))
    offered = {name for name, kind in kinds.items() if not kind.is_always and not kind.set_where}
    if set(chosen) - offered:
        raise DeskError("bad_input", "Choose from the list.")
    with transaction.atomic():
        Desk.objects.select_for_update().get(pk=actor.desk_id)
        row = DeskPolicy.objects.filter(desk_id=actor.desk_id).first()
        before = sorted(row.four_eyes) if row else []
        if set(before) - set(chosen):
            title = f"Four eyes for: {', '.join(chosen) or 'nothing'}"
            gate(actor.desk_id, "policy", title, {"four_eyes": chosen}, approval=approval)
        row, _ = DeskPolicy.objects.update_or_create(
            desk_id=actor.desk_id,
            defaults={"four_eyes": chosen, "changed_by_id": actor.user_id, "changed_at": utc_now()},
        )
        record(
            "accounts.policy.changed",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            target=f"desk:{actor.desk_id}",
            data={"before": before, "after": chosen},
        )
    return row


def masking_set(actor: Actor, *, hides: bool, approval: ChangeRequest | None = None) -> Desk:
    """Hide the desk's amounts from who is a viewer and nothing else, or show them again; counts at their next act.

    Raises NotAllowed; ApprovalNeeded to show them again, where the desk wants four eyes on that.
    """
    if not actor.may(Permission.CHANGE_APPROVE):
        raise NotAllowed
    with transaction.atomic():
        desk = Desk.objects.select_for_update().get(pk=actor.desk_id)
        if desk.hides_amounts and not hides:
            gate(actor.desk_id, "masking", "Show amounts to viewers again", {"hides": False}, approval=approval)
        if desk.hides_amounts != hides:
            desk.hides_amounts = hides
            desk.save(update_fields=["hides_amounts"])
            record(
                "accounts.masking.changed",
                actor_id=actor.user_id,
                desk_id=actor.desk_id,
                target=f"desk:{actor.desk_id}",
                data={"hides_amounts": hides},
            )
    return desk


def _masking_now(desk_id: int, params: Params) -> dict[str, str]:
    return {"amounts": "hidden" if Desk.objects.get(pk=desk_id).hides_amounts else "shown"}


def _masking_apply(author: Actor, request: ChangeRequest) -> None:
    masking_set(author, hides=request.params["hides"], approval=request)


def _policy_now(desk_id: int, params: Params) -> dict[str, str]:
    row = DeskPolicy.objects.filter(desk_id=desk_id).first()
    return {"four eyes for": ", ".join(sorted(row.four_eyes)) if row and row.four_eyes else "nothing"}


def _policy_apply(author: Actor, request: ChangeRequest) -> None:
    policy_set(author, request.params["four_eyes"], approval=request)
