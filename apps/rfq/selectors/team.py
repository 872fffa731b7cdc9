"""What of an account people have worked on together, as rows; who is on the desk."""

from collections import defaultdict

from django.db.models import Q

from apps.accounts.models import Membership, User
from apps.core.permissions import Actor, Permission, permissions_of
from apps.core.timestamps import utc_now
from apps.orders.access import require
from apps.rfq.events.requests import RECENT
from apps.rfq.events.team import MOST_COMMENTS, Subject, row_of, subject_key
from apps.rfq.events.words import Row
from apps.rfq.models import Comment, Quote, Rfq
from apps.rfq.selectors.quotes import UNSETTLED
from apps.rfq.services import presence
from apps.rfq.services.requests import LIVE

MOST = 300  # rows of a topic


def team_rows_of(account_id: int) -> dict[str, Row]:
    """Return the rows of what is live or of the last 24 h and was looked at or spoken of, by row key."""
    watchers = presence.looking(account_id)
    recent = Q(created_at__gte=utc_now() - RECENT)
    rfqs = Rfq.objects.filter(Q(state__in=LIVE) | recent, account_id=account_id).select_related("owner")
    quotes = Quote.objects.filter(Q(state__in=UNSETTLED) | recent, account_id=account_id).select_related("owner")
    subjects: dict[str, Subject] = {subject_key(one): one for one in rfqs.order_by("-pk")[:MOST]}
    subjects |= {subject_key(one): one for one in quotes.order_by("-pk")[:MOST]}
    said = _comments_of(list(subjects))
    people = User.objects.in_bulk({user_id for of_subject in watchers.values() for user_id in of_subject})
    return {
        key: row_of(subject, watchers=watchers.get(key, {}), people=people, comments=said.get(key, ()))
        for key, subject in subjects.items()
        if key in said or key in watchers
    }


def members_of(actor: Actor) -> list[Row]:
    """Return the active members of the actor's desk, by name. Raises NotAllowed."""
    require(actor, Permission.DESK_VIEW)
    rows = Membership.objects.filter(desk_id=actor.desk_id, is_active=True, user__is_active=True)
    return [
        {
            "id": row.user_id,
            "name": row.user.display_name or row.user.username,
            "username": row.user.username,
            "may_trade": Permission.RFQ_TRADE in permissions_of(row.roles),
        }
        for row in rows.select_related("user").order_by("user__username")
    ]


def _comments_of(keys: list[str]) -> dict[str, list[Comment]]:
    """Return the newest comments of each subject, newest first: row keys are unique over desks."""
    found: dict[str, list[Comment]] = defaultdict(list)
    rows = Comment.objects.filter(subject__in=keys).select_related("author").prefetch_related("mentions")
    for comment in rows.order_by("-pk"):
        if len(found[comment.subject]) < MOST_COMMENTS:
            found[comment.subject].append(comment)
    return dict(found)
