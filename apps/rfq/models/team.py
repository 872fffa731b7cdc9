"""How people work on requests and quotes together."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Desk, ExchangeAccount
from apps.core.fields import CountField, MoneyField


class Comment(models.Model):
    """Words of a person about one request or quote. subject: "rfq:<id>", "quote:<id>" (our row ids)."""

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    subject = models.CharField(max_length=40)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.CharField(max_length=500)
    mentions = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["desk", "subject"])]


class Approval(models.Model):
    """A second pair of eyes on one thing that a person wants to do, bound to exactly that thing.

    content: what would be done; content_hash: SHA-256 of it as canonical JSON. The approver is not the author.
    """

    class State(models.TextChoices):
        OPEN = "open", "Waits for approval"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"
        EXPIRED = "expired", "Expired"
        USED = "used", "Carried out"

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ExchangeAccount, null=True, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.UUIDField(null=True)  # of the click that asked
    kind = models.CharField(max_length=20)  # rfq | accept | quote | rule
    subject = models.CharField(max_length=40, blank=True)
    content = models.JSONField()
    content_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    words = models.CharField(max_length=300, blank=True)
    result = models.CharField(max_length=40, blank=True)  # what came of it: "rfq:17", "accept:4", "quote:9"

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=models.F("asked_by")), name="approval_by_another"
            ),
            models.UniqueConstraint(fields=["asked_by", "idempotency_key"], name="approval_once_per_click"),
        ]
        indexes = [models.Index(fields=["desk", "state"])]


class ApprovalThreshold(models.Model):
    """From what size on a desk wants a second pair of eyes. null: never by this measure; no row: never at all."""

    desk = models.OneToOneField(Desk, on_delete=models.CASCADE, related_name="+")
    contracts = CountField(null=True)  # more contracts than this
    cost = MoneyField(null=True)  # more dollars than this
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField()
