"""Rows of the portfolio: `balances` (cash and positions now), `cash` (subaccounts and money that moves by itself),
`figures` (profit and loss, equity)."""

from apps.portfolio.models.balances import Balance, Position
from apps.portfolio.models.cash import (
    Deposit,
    Settlement,
    Subaccount,
    SubaccountAction,
    Transfer,
    Withdrawal,
)
from apps.portfolio.models.figures import DayPnl, EquityPoint, FigureState, MarketBook

__all__ = [
    "Balance",
    "DayPnl",
    "Deposit",
    "EquityPoint",
    "FigureState",
    "MarketBook",
    "Position",
    "Settlement",
    "Subaccount",
    "SubaccountAction",
    "Transfer",
    "Withdrawal",
]
