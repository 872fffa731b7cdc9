"""How far the exchange's history has been read, and what is read for history alone: public trades and candles.

Exchange clock unless a comment says ours.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Environment, ExchangeAccount
from apps.core.fields import CountField, PriceField


class DataSet(models.TextChoices):
    """What is read, in the words that pages use."""

    DEPOSITS = "deposits", "Deposits"
    WITHDRAWALS = "withdrawals", "Withdrawals"
    TRANSFERS = "transfers", "Transfers"
    SETTLEMENTS = "settlements", "Settlements"
    ORDERS = "orders", "Orders"
    FILLS = "fills", "Fills"
    MARKETS = "markets", "Markets and events"
    TRADES = "trades", "Public trades"
    CANDLES = "candles", "Candles"


class HistoryAccount(models.Model):
    """The sync of one account: who works on it, and for which key it was last read from the beginning."""

    account = models.OneToOneField(ExchangeAccount, on_delete=models.CASCADE, related_name="history")
    newest_key = models.PositiveBigIntegerField(default=0)  # row id of the newest key that was seen
    leased_until = models.DateTimeField(null=True)  # our clock; one worker at a time reads an account


class SyncState(models.Model):
    """How far one data set of one account has been read, and the pass that is under way.

    A pass walks from `until` back to `since` (null: to the beginning), stage by stage: the live tier, then the
    historical one. Each page is stored together with the cursor of the next, so a pass goes on where it was killed.
    `covered_from` to `covered_to` is what finished passes have read without a gap.
    """

    class Status(models.TextChoices):
        NEW = "new", "Not read yet"
        RUNNING = "running", "Reading"
        WAITING = "waiting", "Waiting for tokens"
        FAILED = "failed", "Failed, tried again"
        DONE = "done", "Up to date"

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="sync_states")
    data_set = models.CharField(max_length=12, choices=DataSet.choices)
    scope = models.CharField(max_length=120, blank=True)  # ticker of trades and candles
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.NEW)
    # --- the completeness map
    covered_from = models.DateTimeField(null=True)  # of the oldest record
    covered_to = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)  # our clock; the last pass over everything
    stored_rows = models.PositiveBigIntegerField(default=0)  # counted when the last pass finished
    unreadable_rows = models.PositiveIntegerField(default=0)  # of the last pass over everything
    # --- when it is read next, our clock
    wants_full = models.BooleanField(default=True)
    next_at = models.DateTimeField(null=True)  # null: at once
    worked_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # in a row
    error = models.CharField(max_length=300, blank=True)
    # --- the pass under way
    started_at = models.DateTimeField(null=True)  # our clock; null: none
    is_full = models.BooleanField(default=False)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    stages = models.JSONField(default=list)
    stage = models.PositiveIntegerField(default=0)
    cursor = models.TextField(blank=True)
    position = models.DateTimeField(null=True)  # the oldest record so far
    cutoff = models.DateTimeField(null=True)  # between the tiers, when the live one had been read
    pages = models.PositiveIntegerField(default=0)
    restarts = models.PositiveIntegerField(default=0)  # cursors that the exchange did not know any more
    rows_read = models.PositiveBigIntegerField(default=0)
    rows_new = models.PositiveBigIntegerField(default=0)
    rows_repaired = models.PositiveBigIntegerField(default=0)  # of them, those inside what had been covered
    rows_unreadable = models.PositiveIntegerField(default=0)
    worked_ms = models.PositiveBigIntegerField(default=0)
    version = models.PositiveBigIntegerField(default=1)  # a page is stored only on the version that it was asked at

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "data_set", "scope"], name="sync_state_once")]


class SyncRun(models.Model):
    """One pass that ended, or that failed and was given up. Append-only."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="sync_runs")
    data_set = models.CharField(max_length=12, choices=DataSet.choices)
    scope = models.CharField(max_length=120, blank=True)
    is_full = models.BooleanField()
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    started_at = models.DateTimeField()  # our clock
    finished_at = models.DateTimeField()  # our clock
    pages = models.PositiveIntegerField()
    restarts = models.PositiveIntegerField(default=0)
    rows_read = models.PositiveBigIntegerField()
    rows_new = models.PositiveBigIntegerField()
    rows_repaired = models.PositiveBigIntegerField()
    rows_unreadable = models.PositiveIntegerField(default=0)
    worked_ms = models.PositiveBigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["account", "-finished_at"], name="sync_run_by_time"),
            models.Index(fields=["account", "-finished_at"], condition=Q(rows_repaired__gt=0), name="sync_run_repairs"),
        ]


class HistoricalCutoff(models.Model):
    """Where the live tier of an environment begins (docs:historical_data), as last read."""

    environment = models.CharField(max_length=12, choices=Environment.choices, unique=True)
    market_settled_at = models.DateTimeField()
    trades_created_at = models.DateTimeField()
    orders_updated_at = models.DateTimeField()
    read_at = models.DateTimeField()  # our clock


class ChosenMarket(models.Model):
    """A market whose public trades and candles are kept."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="chosen_markets")
    ticker = models.CharField(max_length=120)
    chosen_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    chosen_at = models.DateTimeField()  # our clock

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "ticker"], name="chosen_market_once")]


class PublicTrade(models.Model):
    """One trade between anybody, as the exchange publishes it."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    ticker = models.CharField(max_length=120)
    trade_id = models.CharField(max_length=80)
    yes_price = PriceField()
    count = CountField()
    taker_side = models.CharField(max_length=3, blank=True)  # yes | no: what the taker bought
    traded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "trade_id"], name="public_trade_once")]
        indexes = [models.Index(fields=["environment", "ticker", "-traded_at"], name="public_trade_by_market")]


class Candle(models.Model):
    """One minute of one market, named by its end. Prices are null where there was neither a trade nor a quote."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    ticker = models.CharField(max_length=120)
    ends_at = models.DateTimeField()
    open = PriceField(null=True)
    high = PriceField(null=True)
    low = PriceField(null=True)
    close = PriceField(null=True)
    yes_bid = PriceField(null=True, help_text="At the end of the minute")
    yes_ask = PriceField(null=True, help_text="At the end of the minute")
    volume = CountField(default=0)
    open_interest = CountField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "ticker", "ends_at"], name="candle_once")]
