"""Rows of the topic `combos:<account>`: legs whose market is being asked for, or was in the last day."""

from django.db import transaction

from apps.core.topics import TopicName
from apps.exchange import live
from apps.rfq.events.words import Row, legs_rows, ms, titles_of
from apps.rfq.models import ComboResolution


def combos_topic(account_id: int) -> str:
    return str(TopicName("combos", str(account_id)))


def resolution_key(pk: int) -> str:
    return f"combo:{pk}"


def resolution_publish(row: ComboResolution) -> None:
    """Tell the browsers after the commit, as it stands then."""
    pk = row.pk

    def build() -> None:
        fresh = ComboResolution.objects.select_related("account").get(pk=pk)
        live.publish_rows(combos_topic(fresh.account_id), {resolution_key(pk): resolution_row(fresh)})

    transaction.on_commit(build)


def resolution_row(row: ComboResolution) -> Row:
    titles = titles_of(row.account.environment, [leg["market_ticker"] for leg in row.legs])
    return {
        "v": row.version,
        "key": resolution_key(row.pk),
        "account_id": row.account_id,
        "collection": row.collection_ticker,
        "legs": legs_rows(row.legs, titles),
        "state": row.state,
        "state_text": row.get_state_display(),
        "ticker": row.ticker or None,
        "problem": row.problem or None,
        "is_created": row.is_created,
        "asked_ms": ms(row.asked_at),
        "answered_ms": ms(row.answered_at),
    }
