"""Rows of the topic `rfqteam:<account>`: whose a request or quote is, who looks at it, what was said about it."""

from collections.abc import Iterable, Mapping

from django.db import transaction

from apps.accounts.models import User
from apps.core.topics import TopicName
from apps.exchange import live
from apps.rfq.events.words import Row, ms, person
from apps.rfq.models import Comment, Quote, Rfq
from apps.rfq.services import presence

MOST_COMMENTS = 50  # of one subject in its row, the newest

Subject = Rfq | Quote


def team_topic(account_id: int) -> str:
    return str(TopicName("rfqteam", str(account_id)))


def subject_key(subject: Subject) -> str:
    """Return the row key, "rfq:17" or "quote:9"."""
    return f"{'rfq' if isinstance(subject, Rfq) else 'quote'}:{subject.pk}"


def team_publish(subject: Subject) -> None:
    """Tell the browsers after the commit, as it stands then."""
    model, pk = type(subject), subject.pk

    def build() -> None:
        fresh = model.objects.select_related("owner").get(pk=pk)
        live.publish_rows(team_topic(fresh.account_id), {subject_key(fresh): team_row(fresh)})

    transaction.on_commit(build)


def team_row(subject: Subject) -> Row:
    """Return one row, read afresh."""
    key = subject_key(subject)
    comments = Comment.objects.filter(desk_id=subject.desk_id, subject=key)
    newest = comments.select_related("author").prefetch_related("mentions").order_by("-pk")[:MOST_COMMENTS]
    watchers = presence.looking(subject.account_id).get(key, {})
    people = User.objects.in_bulk(watchers)
    return row_of(subject, watchers=watchers, people=people, comments=list(newest))


def row_of(
    subject: Subject, *, watchers: Mapping[int, int], people: Mapping[int, User], comments: Iterable[Comment]
) -> Row:
    """comments: the newest first."""
    return {
        "v": live.next_version(),
        "key": subject_key(subject),
        "account_id": subject.account_id,
        "owner": person(subject.owner),
        "watchers": [
            {**(person(people[user_id]) or {}), "until_ms": until}
            for user_id, until in sorted(watchers.items())
            if user_id in people
        ],
        "comments": [_comment_row(comment) for comment in reversed(list(comments))],
    }


def _comment_row(comment: Comment) -> Row:
    return {
        "id": comment.pk,
        "by": person(comment.author),
        "text": comment.text,
        "at_ms": ms(comment.at),
        "mentions": [person(one) for one in comment.mentions.all()],
    }
