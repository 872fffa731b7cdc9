from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models

from apps.core.permissions import Role


class User(AbstractUser):
    """A person. What they may do is said by their memberships, never by staff flags."""

    class Theme(models.TextChoices):
        DARK = "dark", "Dark"
        LIGHT = "light", "Light"

    class PriceFormat(models.TextChoices):
        CENTS = "cents", "Cents"
        DOLLARS = "dollars", "Dollars"
        PERCENT = "percent", "Percent"
        AMERICAN = "american", "American odds"

    display_name = models.CharField(max_length=80, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    theme = models.CharField(max_length=8, choices=Theme.choices, default=Theme.DARK)
    price_format = models.CharField(max_length=12, choices=PriceFormat.choices, default=PriceFormat.CENTS)
    # Blue and orange instead of green and red.
    is_colour_blind_palette = models.BooleanField(default=False)


class Desk(models.Model):
    """A team that shares accounts, limits and a trail."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=40, unique=True)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One person's roles on one desk. No row: no access to anything of that desk."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="memberships")
    roles = models.JSONField(default=list, help_text=f"Subset of: {', '.join(Role)}")
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "desk"], name="membership_once_per_desk")]

    def __str__(self) -> str:
        return f"{self.user_id} on {self.desk_id}: {', '.join(self.roles)}"


class Preference(models.Model):
    """How one person likes one list of one desk: columns, widths, saved filters. Never a rule or a right."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=40)
    value = models.JSONField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "desk", "key"], name="preference_once")]


class Environment(models.TextChoices):
    PAPER = "paper", "PAPER"
    DEMO = "demo", "DEMO"
    PRODUCTION = "production", "PRODUCTION"


class ExchangeAccount(models.Model):
    """One Kalshi member account that the desk works with, in one environment.

    `exchange_user_id` is what the exchange calls the member; unknown until a key was tested.
    """

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="accounts")
    name = models.CharField(max_length=80)
    environment = models.CharField(max_length=12, choices=Environment.choices)
    exchange_user_id = models.CharField(max_length=80, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["desk", "environment", "name"], name="account_name_once_per_desk"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.environment})"
