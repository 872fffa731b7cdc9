from django.db import models

from apps.accounts.models import ExchangeAccount
from apps.core.fields import CountField, MoneyField


class Balance(models.Model):
    """Cash and portfolio value of one subaccount as the exchange last reported them, dollars."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="balances")
    subaccount = models.PositiveSmallIntegerField(default=0)
    cash = MoneyField()
    portfolio_value = MoneyField(null=True)
    reported_at = models.DateTimeField(null=True)  # exchange clock
    seen_at = models.DateTimeField()  # our clock
    version = models.PositiveBigIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "subaccount"], name="balance_once")]


class Position(models.Model):
    """Net contracts of one market: positive YES, negative NO (docs: GET /portfolio/positions)."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="positions")
    subaccount = models.PositiveSmallIntegerField(default=0)
    ticker = models.CharField(max_length=120)
    position = CountField()
    cost = MoneyField(default=0, help_text="What the open contracts cost, dollars")
    realized_pnl = MoneyField(default=0)
    fees_paid = MoneyField(default=0)
    total_traded = MoneyField(default=0)
    reported_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField()
    source = models.CharField(max_length=12)  # ws | rest
    version = models.PositiveBigIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "subaccount", "ticker"], name="position_once")]
