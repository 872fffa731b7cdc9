from typing import Any, NoReturn

from django.conf import settings
from django.db import models


class AppendOnly(Exception):
    """An audit entry was about to be changed or deleted. Nothing was done."""

    def __init__(self) -> None:
        super().__init__("audit entries are only ever added; see apps.audit.services.record")


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """Reading only. The database's triggers (migration 0002) say the same to other programs."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly


class AuditEntry(models.Model):
    """One command, or one use of a secret. Append-only; hash-chained per desk.

    `digest` covers the entry and the previous digest of the same desk, so that an edited,
    removed or inserted row breaks the chain (`apps.audit.services.verify`).
    """

    desk_id = models.BigIntegerField(db_index=True)  # 0: the installation itself
    sequence = models.BigIntegerField()
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=64)  # "<app>.<entity>.<past>"
    environment = models.CharField(max_length=16, blank=True)
    target = models.CharField(max_length=120, blank=True)  # "order_intent:17"
    data = models.JSONField(default=dict)
    previous_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["desk_id", "sequence"], name="audit_one_entry_per_sequence"),
        ]
        indexes = [
            models.Index(fields=["desk_id", "-sequence"]),
            models.Index(fields=["desk_id", "target"]),
            models.Index(fields=["desk_id", "action", "-sequence"]),
        ]

    def __str__(self) -> str:
        return f"{self.desk_id}/{self.sequence} {self.action}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly


class ChainCheck(models.Model):
    """One walk over a desk's chain that a person asked for on the page, and what it found."""

    desk_id = models.BigIntegerField(db_index=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    entries = models.BigIntegerField(default=0)
    head = models.CharField(max_length=64, blank=True)
    problem = models.CharField(max_length=200, blank=True)
    sequence = models.BigIntegerField(null=True)  # where it breaks
    witnessed = models.BigIntegerField(default=0)  # heads of the file that were compared
