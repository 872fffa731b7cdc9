from django.conf import settings
from django.db import models

from apps.accounts.models import Desk, ExchangeAccount
from apps.orders.models import TradingPause


class KillRun(models.Model):
    """One pull of the kill switch, followed until the exchange lists nothing of the desk any more.

    The pause holds back everything new from the moment of the commit; `report` says what was left at the last look,
    by account id: {"name", "orders", "quotes", "rfqs", "groups", "problems", "ended"}, and "desk": {"unresolved"}.
    """

    class Origin(models.TextChoices):
        PAGE = "page", "a page"
        COMMAND = "command", "the command line"

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    pause = models.OneToOneField(TradingPause, on_delete=models.PROTECT, related_name="kill")
    origin = models.CharField(max_length=8, choices=Origin.choices)
    by_text = models.CharField(max_length=80, blank=True)  # who sat at the command line
    report = models.JSONField(default=dict)
    passes = models.PositiveIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True)  # somebody is at it
    looked_at = models.DateTimeField(null=True)  # when the newest report was made
    clean_at = models.DateTimeField(null=True)  # when nothing was left for the first time

    class Meta:
        indexes = [models.Index(fields=["desk", "-id"], name="kill_by_desk")]


class Beat(models.Model):
    """The newest sign of life of one queue: sent by beat, carried by the broker, written by a worker."""

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField()
    waited_ms = models.PositiveIntegerField()  # from beat to the worker that took it


class KioskLink(models.Model):
    """A link that shows the wall of one account on a screen nobody is signed in at. Reads, and nothing else.

    The secret has 256 random bits, is shown once and kept nowhere: `digest` is its SHA-256. It ends by itself, by a
    revocation, and when the person who made it may no longer share the wall.
    """

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="+")
    label = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)  # to the minute
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")


# Django looks for models here.
from apps.monitoring.alerts import models as alert_models  # noqa: E402, F401
