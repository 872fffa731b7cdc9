"""Watchlists: stars, and lists that a person or the whole desk keeps. The only writer of `Watchlist`.

Anybody who sees the desk keeps lists of their own. Lists shared by the desk are written by those who
work its orders, traders and leads; `Permission.ORDER_CANCEL` is what exactly these two roles hold.
"""

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.markets.access import environment_for, market_for, watchlists_visible_to
from apps.markets.models import Watchlist

SHARING = Permission.ORDER_CANCEL
STARRED = "Starred"  # a person's own first list, made by their first star
NAME_AT_MOST = 80
TICKERS_AT_MOST = 500
LISTS_AT_MOST = 50  # per person, and of a desk

NO_SHARING = "Lists that the desk shares are changed by traders and leads. Make a list of your own instead."


@dataclass(frozen=True, slots=True)
class Star:
    """What a star did: the list that it is on now, or was taken off."""

    watchlist: Watchlist
    is_starred: bool


def can_edit(actor: Actor, watchlist: Watchlist) -> bool:
    if watchlist.owner_id is None:
        return actor.may(SHARING)
    return watchlist.owner_id == actor.user_id


def watchlist_star(
    actor: Actor, *, environment: str, ticker: str, watchlist_id: int | None = None, is_starred: bool | None = None
) -> Star:
    """Put a market on a list or take it off.

    Args:
        watchlist_id: None for the person's own "Starred" list, which is made when it is needed.
        is_starred: what it shall be; None turns it round.

    Raises:
        NotAllowed, NotFound: no such market or list for this person.
        DeskError: the list is full.
    """
    market = market_for(actor, environment=environment, ticker=ticker)
    with transaction.atomic():
        if watchlist_id is None:
            watchlist = _starred(actor, environment=environment)
        else:
            watchlist = _for_change(actor, environment=environment, watchlist_id=watchlist_id)
        tickers = [one for one in watchlist.tickers if one != market.ticker]
        wanted = len(tickers) == len(watchlist.tickers) if is_starred is None else is_starred
        if wanted:
            tickers.append(market.ticker)
        if len(tickers) > TICKERS_AT_MOST:
            raise DeskError("list_full", f"A list holds {TICKERS_AT_MOST} markets. Take some off, or make another one.")
        watchlist.tickers = tickers
        watchlist.save(update_fields=["tickers"])
    return Star(watchlist, wanted)


def watchlist_create(actor: Actor, *, environment: str, name: str, is_shared: bool) -> Watchlist:
    """Make an empty list. Raises NotAllowed, DeskError (name missing, too long or taken; too many lists)."""
    environment_for(actor, environment)
    if is_shared and not actor.may(SHARING):
        raise NotAllowed(NO_SHARING)
    owner_id = None if is_shared else actor.user_id
    with transaction.atomic():
        siblings = _siblings(actor, environment=environment, owner_id=owner_id)
        if len(siblings) >= LISTS_AT_MOST:
            raise DeskError("too_many_lists", f"There are {LISTS_AT_MOST} lists already. Remove one first.")
        watchlist = Watchlist(desk_id=actor.desk_id, owner_id=owner_id, environment=environment)
        watchlist.name = _name(name, taken=siblings)
        _save(watchlist)
        _record(actor, watchlist, "created")
    return watchlist


def watchlist_rename(actor: Actor, *, environment: str, watchlist_id: int, name: str) -> Watchlist:
    """Raises NotAllowed, NotFound, DeskError (name missing, too long or taken)."""
    with transaction.atomic():
        watchlist = _for_change(actor, environment=environment, watchlist_id=watchlist_id)
        siblings = _siblings(actor, environment=environment, owner_id=watchlist.owner_id)
        watchlist.name = _name(name, taken=[one for one in siblings if one.pk != watchlist.pk])
        _save(watchlist)
        _record(actor, watchlist, "renamed")
    return watchlist


def watchlist_remove(actor: Actor, *, environment: str, watchlist_id: int) -> str:
    """Delete a list and return its name; its markets stay where they are. Raises NotAllowed, NotFound."""
    with transaction.atomic():
        watchlist = _for_change(actor, environment=environment, watchlist_id=watchlist_id)
        _record(actor, watchlist, "removed")
        watchlist.delete()
    return watchlist.name


def _for_change(actor: Actor, *, environment: str, watchlist_id: int) -> Watchlist:
    """Return a list under its row lock, when the person may change it."""
    visible = watchlists_visible_to(actor, environment=environment)
    watchlist = visible.select_for_update().filter(pk=watchlist_id).first()
    if watchlist is None:
        raise NotFound("There is no such list. It may have been removed.")
    if not can_edit(actor, watchlist):
        raise NotAllowed(NO_SHARING)
    return watchlist


def _starred(actor: Actor, *, environment: str) -> Watchlist:
    own = watchlists_visible_to(actor, environment=environment).filter(owner_id=actor.user_id, name=STARRED)
    found = own.select_for_update().order_by("pk").first()
    return found or Watchlist.objects.create(
        desk_id=actor.desk_id, owner_id=actor.user_id, environment=environment, name=STARRED
    )


def _siblings(actor: Actor, *, environment: str, owner_id: int | None) -> list[Watchlist]:
    return list(Watchlist.objects.filter(desk_id=actor.desk_id, environment=environment, owner_id=owner_id))


def _name(raw: str, *, taken: list[Watchlist]) -> str:
    name = " ".join(raw.replace("\x00", " ").split())
    if not name:
        problem = "A list needs a name."
    elif len(name) > NAME_AT_MOST:
        problem = f"A name has at most {NAME_AT_MOST} characters; this one has {len(name)}."
    elif any(one.name.casefold() == name.casefold() for one in taken):
        problem = f"There is a list named {name} already. Choose another name."
    else:
        return name
    raise DeskError("bad_name", problem, fields={"name": problem})


def _save(watchlist: Watchlist) -> None:
    try:
        with transaction.atomic():
            watchlist.save()
    except IntegrityError as exc:
        problem = f"There is a list named {watchlist.name} already. Choose another name."
        raise DeskError("bad_name", problem, fields={"name": problem}) from exc


def _record(actor: Actor, watchlist: Watchlist, what: str) -> None:
    record(
        f"markets.watchlist.{what}",
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=watchlist.environment,
        target=f"watchlist:{watchlist.pk}",
        data={"name": watchlist.name, "is_shared": watchlist.owner_id is None, "markets": len(watchlist.tickers)},
    )
