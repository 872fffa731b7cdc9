"""The paper exchange: one object, synchronous, one thread, no I/O, time from the clock it is given.

`PaperExchange(clock=..., seed=...)`, then `apps.paper.world.build_world` lists something to trade, members and keys
are added, and requests are made: `create_order`, `amend_order`, `decrease_order`, `cancel_order`, and the reads. What
changes is told to listeners (`subscribe`) after each whole action, in order. `expire_due` must be called now and then.
"""

from apps.paper.engine.cash import Cash
from apps.paper.engine.catalogue import Market
from apps.paper.engine.combos_life import Combos
from apps.paper.engine.historical import Historical
from apps.paper.engine.reads import Reads
from apps.paper.engine.rfq_requests import Communications
from apps.paper.engine.subaccounts import Subaccounts


class PaperExchange(Communications, Combos, Historical, Subaccounts, Cash, Reads):
    """See the module; units in `apps.paper.engine`."""

    def expire_due(self) -> None:
        """Do what the clock has made due. RFQs first: what was due before a close is done before it."""
        self.run_rfq_timers()
        super().expire_due()

    def close_market(self, market: Market) -> None:
        """Close a market, within an action: its orders are cancelled and its RFQs are over."""
        super().close_market(market)
        self.market_closed(market)
