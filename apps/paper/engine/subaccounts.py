"""Subaccounts: numbered 1 and up beside the primary one (0), transfers between them, their netting setting.

Source: OpenAPI (portfolio/subaccounts) and the later page getting_started/subaccounts: a second transfer with a client
transfer id of before is a conflict, whatever else it says.
"""

from apps.paper.engine.accounts import Account, Transfer
from apps.paper.engine.errors import ExchangeError, invalid_parameters
from apps.paper.engine.events import AccountChanged, Transferred
from apps.paper.engine.history import ReadLag
from apps.paper.engine.reads import page
from apps.paper.engine.state import ExchangeState
from apps.paper.engine.units import CENT


class Subaccounts(ExchangeState):
    """What a member may do with its own subaccounts."""

    def create_subaccount(self, user_id: str) -> Account:
        """Open the next numbered subaccount, with the primary one's netting setting.

        Raises:
            ExchangeError: 400, there are as many as may be; the exchange is paused.
        """
        self.check_exchange()
        accounts = self.member(user_id).accounts
        number = max(accounts) + 1
        if number > self.most_subaccounts:
            raise ExchangeError("subaccount_limit_reached", f"at most {self.most_subaccounts} subaccounts", 400)
        now = self.clock.now_ms()
        account = Account(
            user_id=user_id, subaccount=number, cash=0, updated_ms=now, created_ms=now, netting=accounts[0].netting
        )
        accounts[number] = account
        self.tell(AccountChanged(account))
        self.flush()
        return account

    def subaccounts(self, user_id: str, *, view: ReadLag | None = None) -> list[Account]:
        """All accounts of a member, the primary one first; with a view, those there were."""
        accounts = self.member(user_id).accounts.values()
        return [account for account in accounts if view is None or account.created_ms <= view.as_of_ms()]

    def transfer(self, user_id: str, *, client_transfer_id: str, source: int, target: int, cents: int) -> Transfer:
        """Move cash that no order locks.

        Raises:
            ExchangeError: refused, nothing changed: 409 for a client transfer id used before (unless
                `transfer_repeat` is ``accept`` and all is the same); 400 for the rest.
        """
        self.check_exchange()
        earlier = self.member(user_id).transfers.get(client_transfer_id)
        if earlier is not None:
            if self.transfer_repeat == "accept" and (earlier.source, earlier.target, earlier.cents) == (
                source,
                target,
                cents,
            ):
                return earlier
            raise ExchangeError(
                "transfer_already_exists", "a transfer with this client_transfer_id exists already", 409
            )
        giving, taking = self.account(user_id, source), self.account(user_id, target)
        if giving is taking:
            raise invalid_parameters("from_subaccount and to_subaccount must differ")
        if cents <= 0:
            raise invalid_parameters("amount_cents must be above 0")
        if giving.available < cents * CENT:
            raise ExchangeError("insufficient_balance", "insufficient balance", 400)
        return self._move(giving, taking, client_transfer_id, cents)

    def _move(self, giving: Account, taking: Account, client_transfer_id: str, cents: int) -> Transfer:
        now = self.clock.now_ms()
        giving.cash -= cents * CENT
        taking.cash += cents * CENT
        giving.updated_ms = taking.updated_ms = now
        transfer = Transfer(
            transfer_id=self.ids.uuid(),
            client_transfer_id=client_transfer_id,
            sequence=self.next_sequence(),
            user_id=giving.user_id,
            source=giving.subaccount,
            target=taking.subaccount,
            cents=cents,
            ts_ms=now,
        )
        self.member(giving.user_id).transfers[client_transfer_id] = transfer
        self.tell(Transferred(transfer, giving, taking))
        self.flush()
        return transfer

    def transfers(
        self, user_id: str, *, before: int | None = None, limit: int | None = None, view: ReadLag | None = None
    ) -> list[Transfer]:
        """Transfers, newest first."""
        until_ms = None if view is None else view.as_of_ms()
        rows = reversed(self.member(user_id).transfers.values())
        seen = (transfer for transfer in rows if until_ms is None or transfer.ts_ms <= until_ms)
        return page(seen, before=before, limit=limit)

    def set_netting(self, user_id: str, number: int, *, enabled: bool) -> Account:
        """Switch a subaccount's netting.

        Raises:
            ExchangeError: 400, no such subaccount; the exchange is paused.
        """
        self.check_exchange()
        account = self.account(user_id, number)
        if account.netting != enabled:
            account.netting = enabled
            self.tell(AccountChanged(account))
        self.flush()
        return account
