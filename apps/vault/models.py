from django.conf import settings
from django.db import models

from apps.accounts.models import ExchangeAccount


class ApiKeyManager(models.Manager["ApiKey"]):
    """Rows without their envelope, which web and gateway may not read (apps.operations.database_rights)."""

    def get_queryset(self) -> models.QuerySet["ApiKey"]:
        return super().get_queryset().defer("sealed")


class ApiKey(models.Model):
    """One API key of one account, sealed at rest.

    `sealed` holds the private key (PKCS#8 DER) under AES-256-GCM; the data key is wrapped to
    the vault's public key. Associated data binds row, desk, environment, purpose and version,
    so a row copied elsewhere does not open.
    """

    class Purpose(models.TextChoices):
        REST_TRADE = "rest_trade", "REST and WebSocket, trading"
        REST_READ = "rest_read", "REST and WebSocket, reading only"
        FIX_NR = "fix_nr", "FIX order entry (KalshiNR)"
        FIX_RT = "fix_rt", "FIX order entry with retransmission (KalshiRT)"
        FIX_DC = "fix_dc", "FIX drop copy (KalshiDC)"
        FIX_PT = "fix_pt", "FIX settlement (KalshiPT)"
        FIX_RFQ = "fix_rfq", "FIX RFQ (KalshiRFQ)"
        FIX_MNR = "fix_mnr", "FIX margin order entry (KalshiNR)"
        FIX_MRT = "fix_mrt", "FIX margin order entry with retransmission (KalshiRT)"
        FIX_MDC = "fix_mdc", "FIX margin drop copy (KalshiDC)"
        FIX_MMD = "fix_mmd", "FIX margin market data (KalshiMD)"

    class Status(models.TextChoices):
        UNTESTED = "untested", "Not tested yet"
        VALID = "valid", "Works"
        INVALID = "invalid", "Refused by the exchange"
        REVOKED = "revoked", "Revoked here"

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="keys")
    label = models.CharField(max_length=80)
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    key_id = models.CharField(max_length=80, help_text="The exchange's name of the key (KALSHI-ACCESS-KEY)")
    scopes = models.JSONField(default=list, help_text='["read"] or ["read", "write"]')
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the public key (DER), hex")
    public_key = models.TextField(help_text="PEM; may be shown")
    key_size = models.PositiveIntegerField()
    sealed = models.BinaryField()
    sealing_key_id = models.CharField(max_length=64)
    version = models.PositiveIntegerField(default=1)
    # Added, and a second person has to say yes: REVOKED until then, so that nothing anywhere takes it for a live key
    waits_for = models.ForeignKey("accounts.ChangeRequest", null=True, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.UNTESTED)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    tested_at = models.DateTimeField(null=True)
    test_result = models.JSONField(default=dict)  # {"tier", "read", "write", "scopes", "clock_offset_ms", "error"}
    last_used_at = models.DateTimeField(null=True)
    use_count = models.PositiveBigIntegerField(default=0)

    objects = ApiKeyManager()
    sealed_rows = models.Manager["ApiKey"]()  # for whoever opens or copies envelopes

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "purpose"],
                condition=~models.Q(status="revoked"),
                name="apikey_one_live_per_purpose",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.purpose})"

    @property
    def is_waiting(self) -> bool:
        return self.waits_for_id is not None and self.status == self.Status.REVOKED
