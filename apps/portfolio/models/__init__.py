"""Rows of the portfolio: `balances` (cash and positions now), `cash` (subaccounts and money that moves by itself)."""

from apps.portfolio.models.balances import Balance, Position
from apps.portfolio.models.cash import (
    CashMark,
    Deposit,
    Settlement,
    Subaccount,
    SubaccountAction,
    Transfer,
    Withdrawal,
)

__all__ = [
    "Balance",
    "CashMark",
    "Deposit",
    "Position",
    "Settlement",
    "Subaccount",
    "SubaccountAction",
    "Transfer",
    "Withdrawal",
]
