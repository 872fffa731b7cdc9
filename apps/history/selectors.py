"""What pages and topics read about the sync."""

from apps.core.topics import TopicName
from apps.history import events
from apps.history.models import Discrepancy, SyncState
from apps.history.sync.sources import ORDER


def states_of(account_id: int) -> list[SyncState]:
    """Return the states of an account in the order in which they are read."""
    states = SyncState.objects.filter(account_id=account_id)
    return sorted(states, key=lambda one: (ORDER.index(one.data_set), one.scope))


def history_state(topic: TopicName) -> events.Row:
    """Return the present state of `history:<account>`."""
    states = states_of(int(topic.scope))
    return {"all": True, "rows": {events.state_key(state): events.state_row(state) for state in states}}


def differences_open(account_id: int) -> int:
    """Return how many differences between the sources of an account nobody has settled."""
    return Discrepancy.objects.filter(account_id=account_id, state="open").count()
