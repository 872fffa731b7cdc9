from django.conf import settings
from django.db import models

from apps.accounts.models import ExchangeAccount

COMMANDS = "fix-commands"  # Redis channel: the row id of a session that has a command waiting


class FixSession(models.Model):
    """One FIX session of one account: what people want of it, and how the gateway last saw it.

    A key takes one connection, and an account has one key per kind, so it has one session per kind. Kinds that begin
    with m are of the margin exchange.
    """

    class Kind(models.TextChoices):
        NR = "nr", "Order entry (KalshiNR)"
        RT = "rt", "Order entry with retransmission (KalshiRT)"
        DC = "dc", "Drop copy (KalshiDC)"
        PT = "pt", "Settlement (KalshiPT)"
        RFQ = "rfq", "RFQ (KalshiRFQ)"
        MARGIN_NR = "mnr", "Margin order entry (KalshiNR)"
        MARGIN_RT = "mrt", "Margin order entry with retransmission (KalshiRT)"
        MARGIN_DC = "mdc", "Margin drop copy (KalshiDC)"
        MARGIN_MD = "mmd", "Margin market data (KalshiMD)"

    class State(models.TextChoices):
        STOPPED = "stopped", "Stopped"
        CONNECTING = "connecting", "Connecting"
        LOGGED_ON = "logged_on", "Logged on"
        RECOVERING = "recovering", "Asking for missing messages"
        WAITING = "waiting", "Waiting to connect again"
        PLANNED = "planned", "Down as planned"
        HALTED = "halted", "Stopped by itself: somebody has to look"

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="fix_sessions")
    kind = models.CharField(max_length=3, choices=Kind.choices)
    is_listener = models.BooleanField(default=False, help_text="20126=Y: reads, never sends")
    heartbeat = models.PositiveIntegerField(default=30)  # seconds
    use_dollars = models.BooleanField(default=True, help_text="21005=Y: prices in dollars")
    cancel_on_disconnect = models.BooleanField(default=False, help_text="8013=Y")
    receive_settlements = models.BooleanField(default=False, help_text="20127=Y, of KalshiRT")
    symbols = models.JSONField(default=list, help_text="of market data: the books to follow")
    is_wanted = models.BooleanField(default=False)
    is_reset_wanted = models.BooleanField(default=False, help_text="141=Y at the next logon of KalshiRT and KalshiPT")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(null=True)
    # Written by the gateway.
    state = models.CharField(max_length=10, choices=State.choices, default=State.STOPPED)
    state_text = models.CharField(max_length=400, blank=True)
    state_since = models.DateTimeField(null=True)
    next_in = models.PositiveBigIntegerField(default=1)
    next_out = models.PositiveBigIntegerField(default=1)
    gap_to = models.PositiveBigIntegerField(null=True)  # of missing messages from next_in on; null: none are missing
    last_in_at = models.DateTimeField(null=True)
    last_out_at = models.DateTimeField(null=True)
    rtt_ms = models.PositiveIntegerField(null=True)
    rejects = models.PositiveIntegerField(default=0)  # sent and received since the logon
    books = models.JSONField(default=list)  # of market data: rows of `market_data.book_rows`

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "kind"], name="fix_session_once_per_kind")]


class FixAsk(models.Model):
    """Something that a person asked of a running session; the gateway takes it within a second."""

    class Kind(models.TextChoices):
        TEST = "test", "Test request"
        RESEND = "resend", "Resend request"

    session = models.ForeignKey(FixSession, on_delete=models.CASCADE, related_name="asks")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["session"], condition=models.Q(taken_at=None), name="fix_ask_open")]


class FixLease(models.Model):
    """Which process may connect with a key; the fence rises with each holder (D17)."""

    key_digest = models.CharField(max_length=64, unique=True)  # SHA-256 of environment and key id
    holder = models.CharField(max_length=80)
    fence = models.PositiveBigIntegerField(default=1)
    expires_at = models.DateTimeField()


class FixMessage(models.Model):
    """One message of a session as it passed, without secrets (96, 553, 554)."""

    session = models.ForeignKey(FixSession, on_delete=models.CASCADE, related_name="messages")
    is_outgoing = models.BooleanField()
    seq = models.PositiveBigIntegerField()
    msg_type = models.CharField(max_length=8)
    at = models.DateTimeField()  # our clock
    fields = models.JSONField()  # [[tag, value], ...] in order
    order_id = models.CharField(max_length=80, blank=True)
    client_order_id = models.CharField(max_length=80, blank=True)
    exec_id = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["session", "-id"]),
            models.Index(fields=["order_id"], condition=~models.Q(order_id=""), name="fix_message_order"),
            models.Index(
                fields=["client_order_id"], condition=~models.Q(client_order_id=""), name="fix_message_client_order"
            ),
            models.Index(fields=["exec_id"], condition=~models.Q(exec_id=""), name="fix_message_exec"),
            models.Index(fields=["session", "at"]),
        ]


class FixExecution(models.Model):
    """An ExecID that was applied, once per account whichever session told it first."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="+")
    first = models.BigIntegerField()
    second = models.BigIntegerField()
    digest = models.CharField(max_length=64)  # of what the report says about the order
    order_id = models.CharField(max_length=80)
    seen_at = models.DateTimeField()  # our clock
    source = models.CharField(max_length=3)  # kind of the session

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "first", "second"], name="fix_execution_once"),
        ]
        indexes = [models.Index(fields=["account", "seen_at"])]


class FixMarginExecution(models.Model):
    """An ExecID of the margin exchange, which counts by itself. Such reports are shown and never booked."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="+")
    first = models.BigIntegerField()
    second = models.BigIntegerField()
    digest = models.CharField(max_length=64)  # of what the report says about the order
    order_id = models.CharField(max_length=80)
    seen_at = models.DateTimeField()  # our clock
    source = models.CharField(max_length=3)  # kind of the session

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "first", "second"], name="fix_margin_execution_once"),
        ]
        indexes = [models.Index(fields=["account", "seen_at"])]


class FixRecovery(models.Model):
    """One range of execution reports asked for by drop copy."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for the drop copy session"
        RUNNING = "running", "Reports are coming"
        COMPLETE = "complete", "Complete"
        INCOMPLETE = "incomplete", "The count did not fit: read over REST"
        WINDOW_LOST = "window_lost", "Older than three hours: read over REST"
        REFUSED = "refused", "Refused: read over REST"

    OPEN = ("waiting", "running")

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="fix_recoveries")
    is_margin = models.BooleanField(default=False)
    begin = models.CharField(max_length=40)
    end = models.CharField(max_length=40, blank=True)  # "": up to the newest
    why = models.CharField(max_length=200)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    text = models.CharField(max_length=400, blank=True)
    received = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)  # of them, reports that this desk did not have

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "is_margin"],
                condition=models.Q(state__in=["waiting", "running"]),
                name="fix_recovery_one_open",
            ),
        ]


class FixRoute(models.Model):
    """How one kind of what an account sends leaves; without a row it uses REST."""

    class What(models.TextChoices):
        ORDERS = "orders", "Orders"
        QUOTES = "quotes", "Quotes"  # and their confirmations
        REQUESTS = "requests", "Requests"  # and what is taken of the quotes on them

    class Way(models.TextChoices):
        REST = "rest", "REST"
        NR = "nr", "FIX, KalshiNR"
        RT = "rt", "FIX, KalshiRT"
        RFQ = "rfq", "FIX, KalshiRFQ"

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="fix_routes")
    what = models.CharField(max_length=8, choices=What.choices, default=What.ORDERS)
    way = models.CharField(max_length=4, choices=Way.choices, default=Way.REST)
    prefers_better = models.BooleanField(default=False, help_text="21022=Y: take a better quote where there is one")
    why = models.CharField(max_length=200)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "what"], name="fix_route_once_per_kind")]


class FixCommand(models.Model):
    """One application message that a sender hands to the gateway: durable before the send, taken once, never again.

    `subject` is the row that it is for ("intent:7"). Of what is sent at most once there is one command, ever.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for the session"
        TAKEN = "taken", "Taken by the gateway: it may have been sent"
        TOLD = "told", "Answered, and the answer is stored"
        REFUSED = "refused", "Refused by the exchange"
        LIMITED = "limited", "Refused by the exchange's rate limit"
        DOUBT = "doubt", "Answered with what proves nothing"
        NOT_SENT = "not_sent", "Certainly not sent"

    OPEN = ("waiting", "taken")

    session = models.ForeignKey(FixSession, on_delete=models.PROTECT, related_name="commands")
    subject = models.CharField(max_length=40)
    is_once = models.BooleanField()
    msg_type = models.CharField(max_length=8)
    fields = models.JSONField()  # [[tag, value], ...] of the body
    client_id = models.CharField(max_length=64, blank=True)  # ClOrdID (11)
    order_id = models.CharField(max_length=80, blank=True)  # of a change; of a new group its id, once it is told
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()  # not taken later than this
    taken_at = models.DateTimeField(null=True)
    seq = models.PositiveBigIntegerField(null=True)
    answered_at = models.DateTimeField(null=True)
    code = models.CharField(max_length=60, blank=True)
    text = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject"], condition=models.Q(is_once=True), name="fix_command_once"),
        ]
        indexes = [
            models.Index(
                fields=["session", "client_id"],
                condition=models.Q(state__in=["waiting", "taken"]),
                name="fix_command_open",
            ),
            models.Index(fields=["order_id"], condition=~models.Q(order_id=""), name="fix_command_order"),
        ]
