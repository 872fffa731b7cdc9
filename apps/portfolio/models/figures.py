"""What the desk computes from fills and settlements, and how balances went. Definitions: docs/portfolio.md."""

from django.db import models

from apps.accounts.models import ExchangeAccount
from apps.core.fields import CountField, MoneyField


class MarketBook(models.Model):
    """One market of one subaccount as the desk's own fills and settlements give it, to be held against `Position`.

    Written by `figures_fold` alone, which folds only what is new; `fills` and `settled_by` say what is in it.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="market_books")
    subaccount = models.PositiveIntegerField(default=0)
    ticker = models.CharField(max_length=120)
    contracts = CountField(default=0, help_text="Positive YES, negative NO")
    cost = MoneyField(default=0, help_text="Of the open contracts, without fees")
    realized_pnl = MoneyField(default=0, help_text="Of closed contracts, before fees")
    fees = MoneyField(default=0, help_text="As charged by the exchange, settlement fees included")
    total_traded = MoneyField(default=0)
    fills = models.PositiveIntegerField(default=0)
    last_traded_at = models.DateTimeField(null=True)  # with `last_fill_pk`: the newest fill in it
    last_fill_pk = models.PositiveBigIntegerField(default=0)
    settled_by = models.CharField(max_length=200, blank=True)  # ids of the settlements in it
    settled_at = models.DateTimeField(null=True)
    # At the (last) settlement: contracts by our fills, by the exchange, and whether a result explains the payout.
    settled_held = CountField(null=True)
    settled_told = CountField(null=True)
    is_paid_as_computed = models.BooleanField(null=True)
    broken_since = models.DateTimeField(null=True)  # differs from the exchange's figures since then (our clock)
    folded_at = models.DateTimeField()  # our clock
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "subaccount", "ticker"], name="market_book_once")]


class DayPnl(models.Model):
    """What one market of one subaccount realised on one trading day (`core.pnl_days`), dollars.

    `fees` is what the exchange charged for the fills; trade_fees + rounding - rebates + other_fees is the same sum,
    split by the desk's fee model.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="day_pnls")
    subaccount = models.PositiveIntegerField(default=0)
    ticker = models.CharField(max_length=120)
    day = models.DateField()
    realized = MoneyField(default=0, help_text="Before fees; closes and settlements")
    fees = MoneyField(default=0)
    settlement_fees = MoneyField(default=0)
    trade_fees = MoneyField(default=0)
    rounding = MoneyField(default=0)
    rebates = MoneyField(default=0)
    other_fees = MoneyField(default=0)
    fills = models.PositiveIntegerField(default=0)
    contracts = CountField(default=0, help_text="Traded")
    traded = MoneyField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "subaccount", "ticker", "day"], name="day_pnl_once"),
        ]
        indexes = [models.Index(fields=["account", "day"], name="day_pnl_by_day")]


class EquityPoint(models.Model):
    """A subaccount's cash and the value of its positions at one moment, dollars; thinned with age (`equity`)."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="equity_points")
    subaccount = models.PositiveIntegerField(default=0)
    at = models.DateTimeField()  # our clock, when the exchange was asked
    cash = MoneyField(help_text="As reported: what orders may use")
    portfolio_value = MoneyField(null=True, help_text="As reported, at the exchange's mark")
    cost = MoneyField(default=0, help_text="Of the open contracts")
    marked_value = MoneyField(null=True, help_text="At the desk's marks; null: a position had none")
    reserved = MoneyField(default=0, help_text="Locked by resting orders; the desk's estimate")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "subaccount", "at"], name="equity_point_once")]
        indexes = [models.Index(fields=["account", "at"], name="equity_point_by_time")]


class FigureState(models.Model):
    """How far the figures of one account have been brought up to date."""

    account = models.OneToOneField(ExchangeAccount, on_delete=models.CASCADE, related_name="figure_state")
    fill_pk = models.PositiveBigIntegerField(default=0)  # newest fill looked at
    settlement_pk = models.PositiveBigIntegerField(default=0)
    checked_at = models.DateTimeField(null=True)  # every market was compared with its fills
    thinned_at = models.DateTimeField(null=True)
    folded_at = models.DateTimeField(null=True)
