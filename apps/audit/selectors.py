"""Reading the trail: by person, action, object and time, a page at a time by sequence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from apps.audit.models import AuditEntry, ChainCheck
from apps.core.errors import NotAllowed
from apps.core.permissions import Actor, Permission

PAGE = 100
EXPORT_AT_MOST = 200_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the trail; an empty field does not narrow. target: "order_intent:17", or "order_intent" for all."""

    actor_id: int | None = None
    action: str = ""
    target: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A step that another table knows of an object. clock: whose time it is."""

    at: datetime
    title: str
    text: str = ""
    clock: str = "desk"


# Kind of object -> (actor, id) -> what else is known of it; filled by the apps on the right.
stories: dict[str, Callable[[Actor, int], list[Told]]] = {}


def entries_visible(actor: Actor) -> QuerySet[AuditEntry]:
    """The trail of the actor's desk. Raises NotAllowed."""
    if not actor.may(Permission.AUDIT_VIEW):
        raise NotAllowed
    return AuditEntry.objects.filter(desk_id=actor.desk_id).select_related("actor")


def entries_found(actor: Actor, wanted: Wanted) -> QuerySet[AuditEntry]:
    """Newest first. Raises NotAllowed."""
    rows = entries_visible(actor)
    if wanted.actor_id is not None:
        rows = rows.filter(actor_id=wanted.actor_id or None)
    if wanted.action:
        rows = rows.filter(action__startswith=wanted.action)
    if wanted.target:
        exact = ":" in wanted.target
        rows = rows.filter(target=wanted.target) if exact else rows.filter(target__startswith=f"{wanted.target}:")
    if wanted.since is not None:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(at__lt=wanted.until)
    return rows.order_by("-sequence")


def entries_page(actor: Actor, wanted: Wanted, *, before: int | None) -> tuple[list[AuditEntry], int | None]:
    """Return a page of at most PAGE entries older than `before`, and where the next one begins."""
    rows = entries_found(actor, wanted)
    if before is not None:
        rows = rows.filter(sequence__lt=before)
    page = list(rows[: PAGE + 1])
    return page[:PAGE], page[PAGE - 1].sequence if len(page) > PAGE else None


def object_story(actor: Actor, target: str) -> list[Told]:
    """What the tables of the desk know of one object, oldest first; empty for kinds without a story."""
    entries_visible(actor)
    kind, _, number = target.partition(":")
    if kind not in stories or not number.isdecimal() or len(number) > 18:
        return []
    return stories[kind](actor, int(number))


def entries_each(actor: Actor, wanted: Wanted) -> Iterator[AuditEntry]:
    """For exports: oldest first, at most EXPORT_AT_MOST."""
    return entries_found(actor, wanted).order_by("sequence")[:EXPORT_AT_MOST].iterator(chunk_size=2_000)


def checks_of(actor: Actor) -> list[ChainCheck]:
    entries_visible(actor)
    return list(ChainCheck.objects.filter(desk_id=actor.desk_id).select_related("asked_by").order_by("-pk")[:10])
