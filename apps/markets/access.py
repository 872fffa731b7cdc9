"""The only door to market data for a person.

Market data is public at the exchange and kept per environment, not per desk: whoever may see a
desk may see all of it.
"""

from django.conf import settings
from django.db.models import QuerySet

from apps.core.errors import NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.prepared import Prepared
from apps.markets.models import Event, Market, Watchlist

_markets = Prepared(lambda environment, ticker: Market.objects.filter(environment=environment, ticker=ticker))
_events = Prepared(lambda pk: Event.objects.filter(pk=pk))


def environment_for(actor: Actor, environment: str) -> str:
    """Return the environment when `actor` may see its markets. Raises NotAllowed, NotFound."""
    if not actor.may(Permission.MARKET_VIEW):
        raise NotAllowed
    if environment not in settings.EXCHANGE_ENVIRONMENTS:
        raise NotFound("This environment is not enabled here.")
    return environment


def markets_visible_to(actor: Actor, *, environment: str) -> QuerySet[Market]:
    return Market.objects.filter(environment=environment_for(actor, environment))


def market_for(actor: Actor, *, environment: str, ticker: str) -> Market:
    """Raises NotAllowed, NotFound."""
    market = _markets.first(environment_for(actor, environment), ticker)
    if market is None:
        raise NotFound("There is no such market in this environment.")
    event = _events.first(market.event_id)
    if event is not None:
        market.event = event
    return market


def event_for(actor: Actor, *, environment: str, ticker: str) -> Event:
    """Raises NotAllowed, NotFound."""
    event = Event.objects.filter(environment=environment_for(actor, environment), ticker=ticker).first()
    if event is None:
        raise NotFound("There is no such event in this environment.")
    return event


def watchlists_visible_to(actor: Actor, *, environment: str) -> QuerySet[Watchlist]:
    """Return the desk's shared lists and the person's own."""
    lists = Watchlist.objects.filter(desk_id=actor.desk_id, environment=environment_for(actor, environment))
    return lists.filter(owner=None) | lists.filter(owner_id=actor.user_id)
