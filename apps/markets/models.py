from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Desk, Environment
from apps.core.fields import CountField, MoneyField, PriceField


class Series(models.Model):
    """A family of events of one environment (docs: GET /series)."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    ticker = models.CharField(max_length=80)
    title = models.CharField(max_length=300)
    category = models.CharField(max_length=80, blank=True)
    tags = models.JSONField(default=list)
    frequency = models.CharField(max_length=40, blank=True)
    fee_type = models.CharField(max_length=60, default="quadratic")
    fee_multiplier = models.CharField(max_length=20, default="1")  # decimal text, as the exchange wrote it
    settlement_sources = models.JSONField(default=list)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "ticker"], name="series_once")]


class SeriesFeeChange(models.Model):
    """The fees of a series from a moment on (docs: GET /series/fee_changes). Multipliers as text, as in Series."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    exchange_id = models.CharField(max_length=80)
    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="fee_changes")
    fee_type = models.CharField(max_length=60)
    fee_multiplier = models.CharField(max_length=20)
    scheduled_at = models.DateTimeField()
    # What the series itself said while this was still to come; null when it was first read of afterwards.
    before_type = models.CharField(max_length=60, null=True)
    before_multiplier = models.CharField(max_length=20, null=True)
    seen_at = models.DateTimeField()  # when the exchange last listed it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "exchange_id"], name="fee_change_once")]


class IncentiveProgram(models.Model):
    """What the exchange pays for activity on one market, now or soon (docs: GET /incentive_programs)."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    exchange_id = models.CharField(max_length=80)
    market_ticker = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)  # liquidity | volume, or a newer word
    description = models.CharField(max_length=300, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reward = MoneyField()  # dollars, of the whole period, to all who take part
    target_size = CountField(null=True)
    discount_bps = models.PositiveIntegerField(null=True)  # 1/10,000
    is_paid_out = models.BooleanField(default=False)
    seen_at = models.DateTimeField()  # when the exchange last listed it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "exchange_id"], name="incentive_once")]
        indexes = [models.Index(fields=["environment", "market_ticker"])]


class Event(models.Model):
    """One question with one or more markets."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    ticker = models.CharField(max_length=120)
    series_ticker = models.CharField(max_length=80, db_index=True)
    title = models.CharField(max_length=400)
    sub_title = models.CharField(max_length=300, blank=True)
    category = models.CharField(max_length=80, blank=True)
    is_mutually_exclusive = models.BooleanField(default=False)
    strike_date = models.DateTimeField(null=True)
    fee_type_override = models.CharField(max_length=60, null=True)
    fee_multiplier_override = models.CharField(max_length=20, null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "ticker"], name="event_once")]


class Market(models.Model):
    """One YES/NO market. Prices are of the last catalogue sync; live ones come from the gateway."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    ticker = models.CharField(max_length=120)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="markets")
    series_ticker = models.CharField(max_length=80, db_index=True)
    title = models.CharField(max_length=400, blank=True)
    yes_sub_title = models.CharField(max_length=300, blank=True)
    no_sub_title = models.CharField(max_length=300, blank=True)
    # initialized|inactive|active|closed|determined|disputed|amended|finalized, or a newer word
    status = models.CharField(max_length=20, db_index=True)
    open_time = models.DateTimeField(null=True)
    close_time = models.DateTimeField(null=True, db_index=True)
    expected_expiration_time = models.DateTimeField(null=True)
    latest_expiration_time = models.DateTimeField(null=True)
    fee_waiver_expiration_time = models.DateTimeField(null=True)
    yes_bid = PriceField(null=True)
    yes_ask = PriceField(null=True)
    yes_bid_size = CountField(null=True)
    yes_ask_size = CountField(null=True)
    last_price = PriceField(null=True)
    previous_price = PriceField(null=True)
    volume = CountField(default=0)
    volume_24h = CountField(default=0)
    open_interest = CountField(default=0)
    notional_value = PriceField(default=1)
    result = models.CharField(max_length=12, blank=True)
    settlement_value = PriceField(null=True)
    rules_primary = models.TextField(blank=True)
    rules_secondary = models.TextField(blank=True)
    price_level_structure = models.CharField(max_length=60, blank=True)
    price_ranges = models.JSONField(default=list)  # [{"start","end","step"}], dollar strings
    can_close_early = models.BooleanField(default=False)
    mve_collection_ticker = models.CharField(max_length=120, blank=True)
    legs = models.JSONField(default=list)  # of a combo: [{"event_ticker","market_ticker","side"}], else empty
    extra = models.JSONField(default=dict)  # fields we do not know yet, as they came
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "ticker"], name="market_once")]
        indexes = [
            models.Index(fields=["environment", "status", "close_time"]),
            models.Index(fields=["environment", "-volume_24h"]),
        ]


class Collection(models.Model):
    """Rules by which markets of some events are joined into combos (docs: multivariate event collections)."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    ticker = models.CharField(max_length=120)
    series_ticker = models.CharField(max_length=80)
    title = models.CharField(max_length=300, blank=True)
    description = models.TextField(blank=True)
    open_time = models.DateTimeField(null=True)
    close_time = models.DateTimeField(null=True)
    # [{"ticker","is_yes_only","size_min","size_max"}]: whose markets may be legs; sizes count legs of one combo
    events = models.JSONField(default=list)
    is_ordered = models.BooleanField(default=False)  # the order of the legs tells combos apart
    is_single_market_per_event = models.BooleanField(default=False)
    is_all_yes = models.BooleanField(default=False)
    size_min = models.PositiveIntegerField(default=0)
    size_max = models.PositiveIntegerField(default=0)  # 0: the exchange gave none
    is_listed = models.BooleanField(default=True)  # False: the exchange lists it as open or unopened no more
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "ticker"], name="collection_once")]
        indexes = [models.Index(fields=["environment", "is_listed", "close_time"])]


class Milestone(models.Model):
    """What happens in the world that events are about (docs: targets and milestones): a game, a race, a meeting."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    milestone_id = models.CharField(max_length=80)
    category = models.CharField(max_length=80, blank=True)
    type = models.CharField(max_length=80, blank=True)  # basketball_game, political_race, .. or a newer word
    title = models.CharField(max_length=400, blank=True)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)  # null: it has no length that is known
    source = models.CharField(max_length=200, blank=True)  # its id at whoever reports it, as the exchange gives it
    details = models.JSONField(default=dict)  # by type, cut to a size (wire.free_json)
    changed_at = models.DateTimeField(null=True)  # at the exchange
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "milestone_id"], name="milestone_once")]
        indexes = [models.Index(fields=["environment", "starts_at"])]


class MilestoneEvent(models.Model):
    """An event that a milestone names, whether or not the catalogue has it. is_primary: what its outcome decides."""

    milestone = models.ForeignKey(Milestone, on_delete=models.CASCADE, related_name="links")
    environment = models.CharField(max_length=12, choices=Environment.choices)
    event_ticker = models.CharField(max_length=120)
    is_primary = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["milestone", "event_ticker"], name="milestone_event_once")]
        indexes = [models.Index(fields=["environment", "event_ticker"])]


class StructuredTarget(models.Model):
    """Who or what a market's strike names by id: a team, a player, a party (docs: targets and milestones)."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    target_id = models.CharField(max_length=80)
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=80, blank=True)  # an open list of words, as they come
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "target_id"], name="target_once")]


class Watchlist(models.Model):
    """Markets that a desk watches together; `owner` null means shared by the whole desk."""

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="watchlists")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=12, choices=Environment.choices)
    name = models.CharField(max_length=80)
    tickers = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["desk", "environment", "name"], condition=Q(owner=None), name="watchlist_once"
            ),
        ]
