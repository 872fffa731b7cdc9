from django.db import models

from apps.accounts.models import Desk
from apps.orders.models import TradingPause


class BackupRun(models.Model):
    """One attempt to make a backup. error "": the file was written, read back and put in its place."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)  # null: it runs, or died
    is_scheduled = models.BooleanField(default=False)
    file = models.CharField(max_length=120, blank=True)  # its name; where it lies is the operator's
    size = models.BigIntegerField(default=0)  # bytes
    sha256 = models.CharField(max_length=64, blank=True)  # of the file as it was written
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [models.Index(fields=["-started_at"], name="backup_run_by_time")]


class Restoration(models.Model):
    """A desk that was put back from a backup: closed by `pause` until it was compared with the exchange.

    report: by account id {"name", "done", "said"}. Only when every account is done does `pause` become a lead's to end.
    """

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    pause = models.OneToOneField(TradingPause, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()  # when the backup was made: what happened later is read from the exchange
    restored_at = models.DateTimeField()
    sha256 = models.CharField(max_length=64)  # of the file
    accepted = models.CharField(max_length=300, blank=True)  # why a disagreement was accepted
    report = models.JSONField(default=dict)
    looked_at = models.DateTimeField(null=True)
    reconciled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["desk"], condition=models.Q(reconciled_at=None), name="restoration_open")]
