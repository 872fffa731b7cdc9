"""Subaccounts and the money that moves without a trade, as the exchange reports it, and what people asked of it.

Records of the exchange are kept under the exchange's own identity, so that whichever sync tells them first stores
them and the others change nothing.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.accounts.models import Desk, ExchangeAccount
from apps.core.fields import CountField, MoneyField, PriceField


class Subaccount(models.Model):
    """One numbered subaccount; 0 is the primary one. Its cash is in `Balance`."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="subaccounts")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=60, blank=True)  # ours; the exchange has none
    is_netting = models.BooleanField(null=True)  # null: not read yet
    first_seen_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "number"], name="subaccount_once")]


class Settlement(models.Model):
    """What one subaccount was paid when a market settled.

    The exchange gives settlements no id: market, subaccount and time name one. When it lists the same one with other
    figures (a corrected result), a new row with the next `revision` holds them and the earlier row stays, not current.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="settlements")
    subaccount = models.PositiveIntegerField(default=0)
    ticker = models.CharField(max_length=120)
    event_ticker = models.CharField(max_length=120, blank=True)
    result = models.CharField(max_length=12)  # yes | no | scalar | void, or a newer word
    yes_count = CountField()
    yes_cost = MoneyField()
    no_count = CountField()
    no_cost = MoneyField()
    revenue = MoneyField(help_text="Paid into the balance, whole cents")
    fees = MoneyField(null=True, help_text="All fees of the position, those of its fills included")
    value = PriceField(null=True, help_text="Of one YES contract, cut to whole cents by the exchange")
    settled_at = models.DateTimeField()
    revision = models.PositiveSmallIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    first_seen_at = models.DateTimeField()
    source = models.CharField(max_length=12)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "subaccount", "ticker", "settled_at", "revision"], name="settlement_once"
            ),
            models.UniqueConstraint(
                fields=["account", "subaccount", "ticker", "settled_at"],
                condition=Q(is_current=True),
                name="settlement_one_current",
            ),
        ]
        indexes = [models.Index(fields=["account", "-settled_at"], name="settlement_by_time")]


class Payment(models.Model):
    """Money between the exchange and the outside; it goes to and from the primary subaccount.

    `applied_at` stays when an applied payment is returned later: both moved the balance.
    """

    payment_id = models.CharField(max_length=80)
    status = models.CharField(max_length=12)  # pending | applied | failed | returned, or a newer word
    method = models.CharField(max_length=12, blank=True)  # ach | wire | crypto | debit | apm
    amount = MoneyField()
    fee = MoneyField(default=0)
    created_at = models.DateTimeField()
    finalized_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)
    first_seen_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    source = models.CharField(max_length=12)

    class Meta:
        abstract = True


class Deposit(Payment):
    """Brings its amount less its fee."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="deposits")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "payment_id"], name="deposit_once")]
        indexes = [models.Index(fields=["account", "-created_at"], name="deposit_by_time")]


class Withdrawal(Payment):
    """Takes its amount and its fee."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="withdrawals")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "payment_id"], name="withdrawal_once")]
        indexes = [models.Index(fields=["account", "-created_at"], name="withdrawal_by_time")]


class Transfer(models.Model):
    """Cash moved between two subaccounts, as the exchange lists it."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="transfers")
    transfer_id = models.CharField(max_length=80)  # the exchange's; it does not list the client's own id
    from_subaccount = models.PositiveIntegerField()
    to_subaccount = models.PositiveIntegerField()
    amount = MoneyField()
    created_at = models.DateTimeField()  # exchange clock, whole seconds
    first_seen_at = models.DateTimeField()
    source = models.CharField(max_length=12)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "transfer_id"], name="transfer_once")]
        indexes = [models.Index(fields=["account", "-created_at"], name="transfer_by_time")]


class SubaccountAction(models.Model):
    """A wish of a person: move cash, open a subaccount, switch its netting. Committed before its first byte is sent.

    A transfer is repeated with the same `client_transfer_id` until the exchange says what became of it (it does each
    id once), netting is said absolutely and repeated too; a new subaccount is asked for at most once.
    """

    class Kind(models.TextChoices):
        TRANSFER = "transfer", "Transfer"
        CREATE = "create", "New subaccount"
        NETTING = "netting", "Netting"

    class State(models.TextChoices):
        COMMITTED = "committed", "Waiting to be sent"
        SENDING = "sending", "Sending"
        DONE = "done", "Done"
        UNKNOWN = "unknown", "Sent, not confirmed by the exchange"
        REFUSED = "refused", "Refused"
        NOT_SEEN = "not_seen", "Not seen at the exchange"

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="subaccount_actions")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.UUIDField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    client_transfer_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    from_subaccount = models.PositiveIntegerField(null=True)
    to_subaccount = models.PositiveIntegerField(null=True)
    amount = MoneyField(null=True)
    number = models.PositiveIntegerField(null=True)  # of netting; of a new subaccount once it is known
    is_netting = models.BooleanField(null=True)
    highest_before = models.PositiveIntegerField(null=True)  # numbers there were when a new subaccount was asked for
    name = models.CharField(max_length=60, blank=True)  # for a new subaccount
    state = models.CharField(max_length=10, choices=State.choices, default=State.COMMITTED)
    version = models.PositiveIntegerField(default=1)
    attempts = models.PositiveIntegerField(default=0)  # requests sent
    created_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)  # by the worker that makes the attempt
    sent_at = models.DateTimeField(null=True)  # the last request; null: no byte has left
    in_doubt_at = models.DateTimeField(null=True)  # when a request was last left without an answer
    next_attempt_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_text = models.CharField(max_length=400, blank=True)
    evidence = models.CharField(max_length=200, blank=True)  # what ended it, in words
    transfer = models.OneToOneField(Transfer, null=True, on_delete=models.SET_NULL, related_name="action")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["requested_by", "idempotency_key"], name="subaccount_action_once"),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(kind="create", state__in=["committed", "sending", "unknown"]),
                name="subaccount_create_one_open",
            ),
            models.CheckConstraint(
                condition=~Q(kind="transfer")
                | (Q(amount__gt=0) & Q(from_subaccount__isnull=False) & ~Q(from_subaccount=F("to_subaccount"))),
                name="subaccount_transfer_complete",
            ),
        ]
        indexes = [models.Index(fields=["account", "-created_at"], name="subaccount_action_by_time")]
