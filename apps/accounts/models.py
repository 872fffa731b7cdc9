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

    class SecondFactor(models.TextChoices):
        """Who must have one (apps.accounts.factor_policy)."""

        NOBODY = "nobody", "Nobody"
        RISKY = "risky", "Roles that trade, hold keys, release or manage"
        EVERYBODY = "everybody", "Everybody"

    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=40, unique=True)
    # Empty: what DESK_SECOND_FACTOR says. On the desk itself because it is read with each message of a socket.
    second_factor = models.CharField(max_length=12, choices=SecondFactor.choices, blank=True)
    # The same roles must have a passkey, and must have used it in this session.
    wants_passkeys = models.BooleanField(default=False)
    # Who is a viewer and nothing else sees markets and health, and no amount of the desk's own.
    hides_amounts = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One person's roles on one desk. No row: no access to anything of that desk."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="memberships")
    roles = models.JSONField(default=list, help_text=f"Subset of: {', '.join(Role)}")
    # Roles on less than the desk: [{"role", "account", "subaccount" or null}]. Here and not in a table of their own, so
    # that an order, which asks for its author's rights twice, reads no more rows for them.
    grants = models.JSONField(default=list)
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


class Invitation(models.Model):
    """A way onto a desk for one person, once. The token is shown once and kept nowhere: `digest` is its SHA-256."""

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="invitations")
    digest = models.CharField(max_length=64, unique=True)
    roles = models.JSONField(default=list)
    display_name = models.CharField(max_length=80, blank=True)
    email = models.EmailField(blank=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True)


class DeskPolicy(models.Model):
    """What a desk wants a second pair of eyes on: kinds of `apps.accounts.four_eyes`. No row: only what always does."""

    desk = models.OneToOneField(Desk, on_delete=models.CASCADE, related_name="policy")
    four_eyes = models.JSONField(default=list)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField()


class ChangeRequest(models.Model):
    """A change that waits for a second person, bound to exactly what was asked. The approver is not the author.

    content_hash: SHA-256 of desk, kind, author, parameters and what held when it was asked for.
    """

    class State(models.TextChoices):
        OPEN = "open", "Waits"
        USED = "used", "Carried out"
        DECLINED = "declined", "Declined"
        FAILED = "failed", "Approved, not carried out"

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16)
    title = models.CharField(max_length=200)
    params = models.JSONField()
    before = models.JSONField()
    content_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    words = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decided_by=None) | ~models.Q(decided_by=models.F("asked_by")),
                name="change_decided_by_another",
            ),
        ]
        indexes = [models.Index(fields=["desk", "state"])]


class SignIn(models.Model):
    """Where and since when a person is signed in. The session is django_session's row of the same key; without it
    this row opens nothing.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins")
    session_key = models.CharField(max_length=40, unique=True)
    browser = models.CharField(max_length=200, blank=True)  # as it calls itself: a hint, not a proof
    address = models.GenericIPAddressField(null=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()  # to the minute; an open page is enough
    acted_at = models.DateTimeField(null=True)  # to a quarter minute; the person did something (sign_ins.acted)


class KnownDevice(models.Model):
    """A browser that a person has signed in with: SHA-256 of a random cookie that it keeps. Opens nothing."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="device_once_per_person")]


class CodeUse(models.Model):
    """The newest time step of a person's authenticator app that was accepted. Only ever grows, so a code works once
    whatever happens to the cache.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    counter = models.BigIntegerField()  # Unix seconds // 30


class PasskeyUse(models.Model):
    """What the desk keeps beside a passkey of the sign-in library, under whose row it lies.

    seal: HMAC of person, passkey and public key: a row that was moved or edited in the database opens nothing.
    counter: the newest signature counter; 0 for passkeys that do not count. copied_at: it went back since.
    """

    passkey = models.OneToOneField("mfa.Authenticator", on_delete=models.CASCADE, related_name="desk_use")
    credential = models.CharField(max_length=64, unique=True)  # SHA-256 of the id that its authenticator gave it
    seal = models.CharField(max_length=64)
    counter = models.BigIntegerField()
    copied_at = models.DateTimeField(null=True)


class SignInTry(models.Model):
    """Tries to prove who one is, by name, address or known browser; `key` is an HMAC of which (apps.accounts.tries).

    In the database, so that emptying the cache starts nothing anew. Rows go an hour after the last try.
    """

    key = models.CharField(max_length=64, unique=True)
    times = models.JSONField(default=list)  # Unix seconds, the newest last; never more than the limit
    last_at = models.DateTimeField(db_index=True)


class Notice(models.Model):
    """What a person has to know about their sign-in, their keys or their desk's people; mailed too."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    at = models.DateTimeField()
    kind = models.CharField(max_length=32)  # "device.new", "factor.removed", "key.added", "person.suspended"
    text = models.CharField(max_length=300)
    is_read = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["user", "-at"])]


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
