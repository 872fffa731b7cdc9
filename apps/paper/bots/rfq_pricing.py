"""What a market is worth to bots that quote on RFQs: read off the public books."""

from apps.paper.engine.catalogue import Market
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.units import DOLLAR_PRICE


def fair_of(exchange: PaperExchange, ticker: str) -> int | None:
    """Price units; of a combo the product of its legs. None where no book says anything."""
    market = exchange.markets.get(ticker)
    if market is None:
        return None
    if not market.legs:
        return _middle(market)
    product = DOLLAR_PRICE
    for leg in market.legs:
        value = leg.settlement_value
        if value is None:
            value = fair_of(exchange, leg.market_ticker)
        if value is None:
            return None
        product = product * (value if leg.side == "yes" else DOLLAR_PRICE - value) // DOLLAR_PRICE
    return product


def _middle(market: Market) -> int | None:
    if market.yes_bid_size and market.yes_ask_size:
        return (market.yes_bid + market.yes_ask) // 2
    return market.last_price or None
