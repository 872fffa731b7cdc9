"""Second factors: a code of the authenticator app works once, by the database and not by the cache alone."""

from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal import auth
from allauth.mfa.utils import decrypt
from django import forms
from django.db import transaction

from apps.accounts import tries
from apps.accounts.models import CodeUse, User
from apps.accounts.notices import notify
from apps.accounts.sign_ins import record_everywhere

# A slow request may be judged in the step after the one in which its code was checked.
_STEPS_AROUND = 2
_TOO_MANY = "Too many wrong codes. Try again in five minutes, or use a passkey."


def code_spend(user: User, *, secret: str, code: str) -> bool:
    """Note that a correct code was used; return False when it, or a newer one, was used before.

    The note is a number that only grows, taken under the row's lock: of two sign-ins with one code, one wins.
    """
    counter = _counter_of(secret, code)
    if counter is None:
        return False
    with transaction.atomic():
        row, is_new = CodeUse.objects.select_for_update().get_or_create(user=user, defaults={"counter": counter})
        if not is_new:
            if row.counter >= counter:
                return False
            row.counter = counter
            row.save(update_fields=["counter"])
    return True


def _counter_of(secret: str, code: str) -> int | None:
    """Return the time step whose code this is, or None."""
    steps = list(auth.yield_hotp_counters_from_time())
    for counter in range(max(steps), min(steps) - _STEPS_AROUND - 1, -1):
        if auth.compare_user_code(actual=code, expected=auth.format_hotp_value(auth.hotp_value(secret, counter))):
            return counter
    return None


class _SpendsCodes(forms.Form):
    """Mixed into the sign-in library's forms (setting MFA_FORMS)."""

    user: User

    def clean_code(self) -> str:
        if not tries.factor_may_try(self.user):
            raise forms.ValidationError(_TOO_MANY)
        try:
            code = self._right_code()
        except forms.ValidationError:
            if tries.factor_is_full(self.user):
                text = f"Somebody gave your password and {tries.BY_FACTOR.tries} wrong codes. If that was not you,"
                notify([self.user.pk], "factor.guessed", f"{text} change your password and tell an admin.")
                record_everywhere(self.user, "accounts.factor.guessed", {"tries": tries.BY_FACTOR.tries})
            raise
        tries.factor_done(self.user)
        return code

    def _right_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        used: Authenticator = self.authenticator  # type: ignore[attr-defined]
        if used.type == Authenticator.Type.TOTP:
            secret = decrypt(used.data["secret"])
            if not code_spend(self.user, secret=secret, code=code):
                raise forms.ValidationError("This code was used already. Wait for the next one.")
        return code


class OnceAuthenticateForm(_SpendsCodes, AuthenticateForm):  # type: ignore[misc] # allauth carries no types
    pass


class OnceReauthenticateForm(_SpendsCodes, ReauthenticateForm):  # type: ignore[misc] # allauth carries no types
    pass


class OnceActivateForm(ActivateTOTPForm):  # type: ignore[misc] # allauth carries no types
    """The code that switches the app on does not sign in as well."""

    def clean_code(self) -> str:
        code = str(super().clean_code())
        if not code_spend(self.user, secret=self.secret, code=code):
            raise forms.ValidationError("This code was used already. Wait for the next one.")
        return code
