from django.db import models

from apps.accounts.models import Desk
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
