"""Working together: whose a request or quote is, handing it over, talking about it, who may touch what."""

import re
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import F

from apps.accounts.models import Membership, User
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.orders.access import actor_of, require_on
from apps.rfq.access import quote_for, rfq_for
from apps.rfq.events import quotes as quote_events
from apps.rfq.events import requests as rfq_events
from apps.rfq.events import team as events
from apps.rfq.events.team import Subject
from apps.rfq.models import Comment, Quote, Rfq
from apps.rfq.services import presence

MAX_TEXT = 500
MAX_NOTE = 300
# "@anna" at a word's start; an address like me@example.org mentions nobody.
_MENTION = re.compile(r"(?<![\w@.])@([\w.+-]*\w)")


def subject_for(actor: Actor, key: object) -> Subject:
    """Return the request or quote of a row key. Raises NotAllowed, NotFound."""
    return quote_for(actor, key) if str(key).startswith("quote:") else rfq_for(actor, key)


def owner_check(actor: Actor, owner_id: int | None, *, what: str) -> None:
    """May the actor re-price this quote, or take a quote on this request: its owner or a lead.

    What nobody owns (it was made elsewhere with our key) anybody who may trade can take up.

    Raises DeskError `not_owner`.
    """
    if owner_id is None or owner_id == actor.user_id or actor.may(Permission.RFQ_MANAGE):
        return
    owner = User.objects.filter(pk=owner_id).first()
    name = _name(owner) if owner else "Somebody else"
    raise DeskError("not_owner", f"{name} is on this {what}. Claim it first, or ask a lead. Nothing was sent.")


def claim(actor: Actor, subject: Subject, *, note: str = "", now: datetime | None = None) -> Subject:
    """Make the actor the owner. Taking it from somebody needs a note that says why; again changes nothing.

    Raises NotAllowed, NotFound, DeskError `note_needed`.
    """
    require_on(actor, Permission.RFQ_TRADE, subject.account_id, subject.subaccount)
    with transaction.atomic():
        subject = _locked(actor, subject)
        if subject.owner_id == actor.user_id:
            return subject
        note = _words(note, "note", most=MAX_NOTE)
        before = subject.owner
        if before is not None and not note:
            text = f"{_name(before)} is on it. Say why you take it over."
            raise DeskError("note_needed", text, fields={"note": text})
        said = "Took this" if before is None else f"Took this over from {_name(before)}"
        _own(actor, subject, actor.user_id, said=said, note=note, to=before, now=now or utc_now())
        _record(actor, subject, "claimed", {"from": before.pk if before else None, "note": note})
    return subject


def hand_over(actor: Actor, subject: Subject, *, to: int, note: str = "", now: datetime | None = None) -> Subject:
    """Give it to another member who may trade requests. Only its owner or a lead may. Again changes nothing.

    Raises NotAllowed, NotFound, DeskError `cannot_trade`.
    """
    require_on(actor, Permission.RFQ_PULL, subject.account_id, subject.subaccount)
    with transaction.atomic():
        subject = _locked(actor, subject)
        if subject.owner_id != actor.user_id and not actor.may(Permission.RFQ_MANAGE):
            raise NotAllowed("Only its owner or a lead can hand this over.")
        receiver = actor_of(user_id=to, desk_id=actor.desk_id)
        if receiver is None:
            raise NotFound("This person is not on this desk.")
        if not receiver.may_on(Permission.RFQ_TRADE, subject.account_id, subject.subaccount):
            text = "This person may not trade requests and quotes. Choose somebody who may."
            raise DeskError("cannot_trade", text, fields={"to": text})
        if subject.owner_id == to:
            return subject
        note = _words(note, "note", most=MAX_NOTE)
        before, person = subject.owner_id, User.objects.get(pk=to)
        _own(actor, subject, to, said=f"Handed this to {_name(person)}", note=note, to=person, now=now or utc_now())
        _record(actor, subject, "handed_over", {"from": before, "to": to, "note": note})
    return subject


def comment(actor: Actor, subject: Subject, *, text: str, now: datetime | None = None) -> Comment:
    """Say something about it. Each "@name" must be a member of the desk, who is told.

    Raises NotAllowed, NotFound, DeskError `bad_input`.
    """
    require_on(actor, Permission.DESK_VIEW, subject.account_id, subject.subaccount)
    if subject.desk_id != actor.desk_id:
        raise NotFound
    text = _words(text, "text", most=MAX_TEXT)
    if not text:
        raise DeskError("bad_input", "Say something.", fields={"text": "This is needed."})
    mentioned = _mentioned(actor, text)
    with transaction.atomic():
        said = _say(actor, subject, text, mentioned, now=now or utc_now())
        events.team_publish(subject)
        _record(actor, subject, "commented", {"text": text, "mentions": [one.pk for one in mentioned]})
    return said


def look(actor: Actor, subject: Subject) -> int:
    """Say that the actor looks at it now; returns until when that counts (Unix ms). Raises NotAllowed, NotFound."""
    require_on(actor, Permission.DESK_VIEW, subject.account_id, subject.subaccount)
    if subject.desk_id != actor.desk_id:
        raise NotFound
    until = presence.look(subject.account_id, events.subject_key(subject), actor.user_id)
    events.team_publish(subject)
    return until


def _locked(actor: Actor, subject: Subject) -> Subject:
    """Read it again under its lock: of two people who claim at once, the second sees the first."""
    rows = type(subject)._default_manager.select_for_update(of=("self",)).filter(desk_id=actor.desk_id, pk=subject.pk)
    found = rows.select_related("account", "owner").first()
    if found is None:
        raise NotFound
    assert isinstance(found, Rfq | Quote)
    return found


def _own(actor: Actor, subject: Subject, user_id: int, *, said: str, note: str, to: User | None, now: datetime) -> None:
    type(subject)._default_manager.filter(pk=subject.pk).update(owner_id=user_id, version=F("version") + 1)
    subject.refresh_from_db()
    _say(actor, subject, f"{said}: {note}" if note else said, [to] if to and to.pk != actor.user_id else [], now=now)
    if isinstance(subject, Rfq):
        rfq_events.rfq_publish(subject)
    else:
        quote_events.quote_publish(subject)
    events.team_publish(subject)


def _say(actor: Actor, subject: Subject, text: str, mentioned: Iterable[User], *, now: datetime) -> Comment:
    said = Comment.objects.create(
        desk_id=subject.desk_id,
        subject=events.subject_key(subject),
        author_id=actor.user_id,
        text=text[:MAX_TEXT],
        at=now,
    )
    said.mentions.set(mentioned)
    return said


def _mentioned(actor: Actor, text: str) -> list[User]:
    names = {name.casefold(): name for name in _MENTION.findall(text)}
    if not names:
        return []
    members = Membership.objects.filter(desk_id=actor.desk_id, is_active=True, user__is_active=True)
    known = {row.user.username.casefold(): row.user for row in members.select_related("user")}
    unknown = [name for folded, name in names.items() if folded not in known]
    if unknown:
        fault = f"Nobody on this desk is called {', '.join('@' + name for name in unknown)}."
        raise DeskError("bad_input", fault, fields={"text": fault})
    return [known[folded] for folded in names]


def _words(raw: str, field: str, *, most: int) -> str:
    text = " ".join(raw.split())
    if len(text) > most:
        fault = f"At most {most} characters."
        raise DeskError("bad_input", fault, fields={field: fault})
    return text


def _name(user: User) -> str:
    return user.display_name or user.username


def _record(actor: Actor, subject: Subject, past: str, data: dict[str, object]) -> None:
    entity = "rfq" if isinstance(subject, Rfq) else "quote"
    audit.record(
        f"rfq.{entity}.{past}",
        actor_id=actor.user_id,
        desk_id=subject.desk_id,
        environment=subject.account.environment,
        target=f"{'rfq' if entity == 'rfq' else 'rfq_quote'}:{subject.pk}",
        data=data,
    )
