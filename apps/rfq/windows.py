"""How long a maker has to confirm in one market. Combos are known; other fast markets have to be named.

No field of the exchange says that a market other than a combo is of high volatility: DESK_RFQ_FAST names such markets
by the beginnings of their tickers (docs/configuration.md). Treating one as slow would lose its windows.
"""

from django.conf import settings

from apps.core.rfq import Windows, windows


def windows_of(ticker: str, *, is_combo: bool) -> Windows:
    fast: tuple[str, ...] = settings.RFQ_FAST_MARKETS
    return windows(is_combo=is_combo or (bool(fast) and ticker.startswith(fast)))
