"""Settlements, deposits, withdrawals, subaccounts and transfers between them."""

from collections.abc import Iterator
from uuid import UUID

from apps.exchange.wire.api.calls import many, one, pages
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.cash import (
    NettingConfig,
    PaymentRecord,
    SettlementRecord,
    SubaccountBalance,
    SubaccountCreated,
    TransferRecord,
)

_PAGE = 1000
_PAYMENTS_PAGE = 500  # the most that deposits and withdrawals take


def get_settlements(
    client: ExchangeClient,
    *,
    subaccount: int | None = None,
    ticker: str | None = None,
    min_ts: int | None = None,
    max_ts: int | None = None,
) -> Iterator[SettlementRecord]:
    """Yield settlements, newest first. subaccount None: of all, without saying whose. Times: Unix seconds."""
    params = {"subaccount": subaccount, "ticker": ticker, "min_ts": min_ts, "max_ts": max_ts, "limit": _PAGE}
    return pages(client, "/portfolio/settlements", key="settlements", cls=SettlementRecord, params=params)


def get_deposits(client: ExchangeClient) -> Iterator[PaymentRecord]:
    params = {"limit": _PAYMENTS_PAGE}
    return pages(client, "/portfolio/deposits", key="deposits", cls=PaymentRecord, params=params)


def get_withdrawals(client: ExchangeClient) -> Iterator[PaymentRecord]:
    params = {"limit": _PAYMENTS_PAGE}
    return pages(client, "/portfolio/withdrawals", key="withdrawals", cls=PaymentRecord, params=params)


def get_transfers(client: ExchangeClient) -> Iterator[TransferRecord]:
    params = {"limit": _PAGE}
    return pages(client, "/portfolio/subaccounts/transfers", key="transfers", cls=TransferRecord, params=params)


def get_subaccount_balances(client: ExchangeClient) -> list[SubaccountBalance]:
    return many(SubaccountBalance, client.get("/portfolio/subaccounts/balances"), key="subaccount_balances")


def get_netting(client: ExchangeClient) -> list[NettingConfig]:
    return many(NettingConfig, client.get("/portfolio/subaccounts/netting"), key="netting_configs")


def create_subaccount(client: ExchangeClient) -> int:
    """Return the number of the new subaccount. Not to be repeated: each call opens another one.

    Raises:
        ExchangeError: see `wire.errors`.
    """
    body = client.post("/portfolio/subaccounts")
    return one(SubaccountCreated, body, is_read=False).subaccount_number


def apply_transfer(
    client: ExchangeClient, *, client_transfer_id: UUID, source: int, target: int, amount_cents: int
) -> None:
    """Move cash. May be repeated with the same id: the exchange does it once and answers 409 from then on.

    Raises:
        ExchangeError: see `wire.errors`; AlreadyExists when the id was used before.
    """
    body = {
        "client_transfer_id": str(client_transfer_id),
        "from_subaccount": source,
        "to_subaccount": target,
        "amount_cents": amount_cents,
    }
    client.post("/portfolio/subaccounts/transfer", json=body)


def update_netting(client: ExchangeClient, *, number: int, is_enabled: bool) -> None:
    """Say it absolutely, so it may be repeated. Raises: ExchangeError."""
    client.put("/portfolio/subaccounts/netting", json={"subaccount_number": number, "enabled": is_enabled})
