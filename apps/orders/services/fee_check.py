"""What our fee model says the fills of an order should have cost, beside what the exchange charged."""

from decimal import Decimal

from apps.core.fees import FeeAccumulator, FeeNotKnown
from apps.markets.models import Market
from apps.orders.costs import schedule_of
from apps.orders.models import BookSide, Order


def fees_predict(order: Order) -> bool:
    """Store the model's fee for all fills of an order so far; None when its market's fee is not known.

    Returns whether it changed.

    Under the order's row lock. Every fill is rounded on its own and what is overpaid is given back within the
    order, so the fills are folded in their order of trading.
    """
    predicted = _predicted(order)
    if predicted == order.fees_predicted:
        return False
    order.fees_predicted, order.version = predicted, order.version + 1
    order.save(update_fields=["fees_predicted", "version"])
    return True


def _predicted(order: Order) -> Decimal | None:
    fills = list(order.fills.order_by("traded_at", "pk"))
    known = Market.objects.filter(environment=order.account.environment, ticker=order.ticker)
    market = known.select_related("event").first() if fills else None
    if market is None:
        return None
    total, accumulator = Decimal(0), FeeAccumulator()
    try:
        for fill in fills:
            schedule = schedule_of(market, now=fill.traded_at)
            trade_fee = schedule.trade_fee(price=fill.yes_price, count=fill.count, is_taker=fill.is_taker)
            leg = fill.yes_price if fill.book_side == BookSide.BID else 1 - fill.yes_price
            total += accumulator.apply(revenue=-leg * fill.count, trade_fee=trade_fee).net_fee
    except FeeNotKnown:
        return None
    return total
