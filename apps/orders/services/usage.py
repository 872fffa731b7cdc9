"""What a person uses of their limits on one account: one statement, asked twice for each order.

Four separate queries of the ORM took most of the time of the checks before an order.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from apps.accounts.models import ExchangeAccount
from apps.core.money import count_from_units
from apps.core.permissions import Actor
from apps.core.prepared import row_of
from apps.markets.models import Market
from apps.orders.models import ChangeIntent, Order, OrderIntent
from apps.orders.services.limit_rows import EVERYWHERE, Within

MINUTE = timedelta(minutes=1)
_NOBODY = 0  # no row has this key
_WAITING = (OrderIntent.State.COMMITTED, OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)

# Counts are kept as integers (docs/adr/0001), so the sums are, too. `before`: intents that came after the one
# asked about do not count against it.
# {i} and {o}: in which markets, asked of an intent's ticker and of an order's.
_USAGE = f"""
  (SELECT COUNT(*) FROM {OrderIntent._meta.db_table} i
    WHERE i.placed_by_id = %(user)s AND i.account_id = %(account)s{{i}}
      AND i.created_at > %(since)s AND (i.created_at < %(at)s OR (i.created_at = %(at)s AND i.id <= %(newest)s))),
  (SELECT COUNT(*) FROM {ChangeIntent._meta.db_table} c
    JOIN {Order._meta.db_table} o ON o.id = c.order_id
    WHERE c.requested_by_id = %(user)s AND o.account_id = %(account)s AND c.kind = %(amend)s{{o}}
      AND c.created_at > %(since)s AND c.created_at <= %(at)s),
  (SELECT COALESCE(SUM(o.remaining_count), 0) FROM {Order._meta.db_table} o
    LEFT JOIN {OrderIntent._meta.db_table} i ON i.id = o.intent_id
    WHERE o.account_id = %(account)s AND o.status = %(resting)s AND o.id <> %(instead_of)s{{o}}
      AND (o.intent_id IS NULL OR i.placed_by_id = %(user)s)),
  (SELECT COALESCE(SUM(i.count), 0) FROM {OrderIntent._meta.db_table} i
    LEFT JOIN {Order._meta.db_table} o ON o.intent_id = i.id
    WHERE i.account_id = %(account)s AND i.placed_by_id = %(user)s AND o.id IS NULL AND i.id < %(before)s{{i}}
      AND i.state IN (%(waiting_0)s, %(waiting_1)s, %(waiting_2)s))
"""  # noqa: S608 - only table names are put in
_EVERYWHERE = "SELECT" + _USAGE.format(i="", o="")
_LAST = 2**62


@dataclass(frozen=True, slots=True)
class Usage:
    """orders: orders and amends in the last minute. contracts: of working orders and waiting intents."""

    orders: int
    contracts: Decimal


def usage_of(
    actor: Actor,
    account: ExchangeAccount,
    *,
    now: datetime,
    intent: OrderIntent | None = None,
    instead_of: Order | None = None,
) -> Usage:
    """`usages_of` everywhere."""
    return usages_of(actor, account, now=now, intent=intent, instead_of=instead_of)[EVERYWHERE]


def usages_of(
    actor: Actor,
    account: ExchangeAccount,
    *,
    now: datetime,
    intent: OrderIntent | None = None,
    instead_of: Order | None = None,
    within: Collection[Within] = (EVERYWHERE,),
) -> dict[Within, Usage]:
    """Return what this person uses without the order that is asked about; orders placed elsewhere count for everybody.

    intent: the stored order that is asked about; what came after it does not count.
    within: series and markets to count in; however many, it is one statement.
    """
    at = intent.created_at if intent else now
    moments = connection.ops
    values: dict[str, str | int | None] = {
        "user": actor.user_id,
        "account": account.pk,
        "since": moments.adapt_datetimefield_value(at - MINUTE),
        "at": moments.adapt_datetimefield_value(at),
        "newest": intent.pk - 1 if intent else _LAST,  # it counts itself where the answer is used
        "before": intent.pk if intent else _LAST,
        "amend": ChangeIntent.Kind.AMEND.value,
        "resting": Order.Status.RESTING.value,
        "instead_of": instead_of.pk if instead_of else _NOBODY,
        **{f"waiting_{number}": state.value for number, state in enumerate(_WAITING)},
    }
    asked = list(within)
    statement = _EVERYWHERE
    if asked != [EVERYWHERE]:
        parts = [_part(number, one, account, values) for number, one in enumerate(asked)]
        statement = "SELECT" + ",".join(parts)
    row = row_of(statement, values)
    found = {}
    for number, one in enumerate(asked):
        orders, amends, resting, waiting = row[4 * number : 4 * number + 4]
        found[one] = Usage(orders=orders + amends, contracts=count_from_units(int(resting) + int(waiting)))
    return found


def _part(number: int, one: Within, account: ExchangeAccount, values: dict[str, str | int | None]) -> str:
    """Return the four sums of one series or market, whose parameters it adds to `values`."""
    if one == EVERYWHERE:
        return _USAGE.format(i="", o="")
    if one.ticker:
        values[f"ticker_{number}"] = one.ticker
        where = f" AND {{0}}.ticker = %(ticker_{number})s"
    else:
        prefix = f"{one.series}-"
        values |= {
            f"series_{number}": one.series,
            f"prefix_{number}": prefix,
            f"length_{number}": len(prefix),
            "environment": account.environment,
        }
        in_series = (
            f"(SELECT m.ticker FROM {Market._meta.db_table} m"  # noqa: S608 - only a table's name is put in
            f" WHERE m.environment = %(environment)s AND m.series_ticker = %(series_{number})s)"
        )
        starts = f"substr({{0}}.ticker, 1, %(length_{number})s) = %(prefix_{number})s"
        where = f" AND ({starts} OR {{0}}.ticker IN {in_series})"
    return _USAGE.format(i=where.format("i"), o=where.format("o"))
