from django.db import models

from apps.accounts.models import Environment, ExchangeAccount


class ExchangeStatus(models.Model):
    """What an environment last said about itself, and how its clock differs from ours."""

    environment = models.CharField(max_length=12, choices=Environment.choices, unique=True)
    exchange_active = models.BooleanField(null=True)
    trading_active = models.BooleanField(null=True)
    resume_at = models.DateTimeField(null=True)
    # exchange clock minus ours, from the Date header and round trip; milliseconds
    clock_offset_ms = models.IntegerField(null=True)
    checked_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)


class Announcement(models.Model):
    """What an environment told everybody (docs: GET /exchange/announcements), as it last stood."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    digest = models.CharField(max_length=64)  # of kind, text and time: the exchange gives no ids
    kind = models.CharField(max_length=20)  # info | warning | error, or a newer word
    message = models.CharField(max_length=2000)
    delivered_at = models.DateTimeField()
    is_active = models.BooleanField()
    seen_at = models.DateTimeField()  # when the exchange last listed it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "digest"], name="announcement_once")]


class ExchangeSchedule(models.Model):
    """Trading hours and maintenance windows of an environment, as it last gave them (docs: GET /exchange/schedule)."""

    environment = models.CharField(max_length=12, choices=Environment.choices, unique=True)
    standard_hours = models.JSONField(default=list)
    maintenance_windows = models.JSONField(default=list)
    read_at = models.DateTimeField()


class AccountLimits(models.Model):
    """Token buckets of one account as GET /account/limits last gave them (docs:rate_limits)."""

    account = models.OneToOneField(ExchangeAccount, on_delete=models.CASCADE, related_name="limits")
    usage_tier = models.CharField(max_length=40)
    read_rate = models.PositiveIntegerField()
    read_capacity = models.PositiveIntegerField()
    write_rate = models.PositiveIntegerField()
    write_capacity = models.PositiveIntegerField()
    updated_at = models.DateTimeField()


class GatewayLease(models.Model):
    """Which gateway process holds the connections; a second one waits until the lease runs out."""

    name = models.CharField(max_length=40, unique=True)
    holder = models.CharField(max_length=80)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder} until {self.expires_at}"
