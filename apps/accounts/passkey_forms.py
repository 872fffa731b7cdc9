"""The sign-in library's forms for passkeys, stricter (setting MFA_FORMS). What browsers send is judged here."""

from typing import Any

from allauth.core import context
from allauth.mfa.base.internal.flows import post_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from django import forms
from fido2.cose import UnsupportedKey
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

from apps.accounts import passkeys
from apps.accounts.models import User
from apps.core.errors import DeskError

_BYTES_AT_MOST = 16_384  # of one answer; they take about 1,000
_NOT_READ = "The browser's answer could not be read. Please try again."
_NOT_OURS = "This passkey does not open this desk, or the page was open for too long. Please try again."
_HERE_ALREADY = "This passkey is on the desk already."
_UNKNOWN_KEY = "This passkey signs in a way that the desk does not know. Use another one."


class _PasskeyForm(forms.Form):
    """A form with the answer of one ceremony. Its challenge is spent, whatever comes of it."""

    credential = forms.JSONField(widget=forms.HiddenInput, error_messages={"required": _NOT_READ, "invalid": _NOT_READ})

    def clean_credential(self) -> Any:
        answer = self.cleaned_data["credential"]
        try:
            if len(self.data.get("credential", "")) > _BYTES_AT_MOST:
                raise forms.ValidationError(_NOT_READ)
            return self._judge(answer)
        finally:
            auth.clear_state()

    def _judge(self, answer: Any) -> Any:
        raise NotImplementedError


class AddPasskeyForm(_PasskeyForm):
    """A new passkey: of this desk's host, verified by finger, face or PIN, not on the desk already."""

    name = forms.CharField(
        label="Name",
        required=False,
        max_length=passkeys.NAME_AT_MOST,
        help_text="So that you know it again: the phone or the key that keeps it.",
    )
    field_order = ("name", "credential")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean_name(self) -> str:
        """A passkey that the browser has made already is not thrown away for want of a name."""
        name = self.cleaned_data["name"] or f"Passkey {passkeys.passkeys_of(self.user).count() + 1}"
        try:
            return passkeys.name_check(name)
        except DeskError as exc:
            raise forms.ValidationError(exc.text) from exc

    def _judge(self, answer: Any) -> Any:
        if passkeys.passkeys_of(self.user).count() >= passkeys.AT_MOST:
            raise forms.ValidationError(f"You have {passkeys.AT_MOST} passkeys. Remove one first.")
        registration = _parsed(RegistrationResponse, answer)
        data = registration.response.attestation_object.auth_data.credential_data
        if registration.response.client_data.origin not in passkeys.origins():
            raise forms.ValidationError(_NOT_OURS)
        if data is None or isinstance(data.public_key, UnsupportedKey):
            raise forms.ValidationError(_UNKNOWN_KEY)
        if data.credential_id != registration.raw_id:
            raise forms.ValidationError(_NOT_READ)
        if passkeys.is_known(data.credential_id):
            raise forms.ValidationError(_HERE_ALREADY)
        _complete(auth.complete_registration, answer)
        return answer


class UsePasskeyForm(_PasskeyForm):
    """Second step of a sign-in, after the password. Its cleaned credential is the passkey (Authenticator)."""

    is_confirmation = False
    is_alone = False

    def __init__(self, *args: Any, user: User | None, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def _judge(self, answer: Any) -> Authenticator:
        parsed = _parsed(AuthenticationResponse, answer)
        if parsed.response.client_data.origin not in passkeys.origins():
            raise forms.ValidationError(_NOT_OURS)
        user = self.user or passkeys.owner_of(parsed.raw_id, parsed.response.user_handle)
        if user is None:
            raise forms.ValidationError(_NOT_OURS)
        passkey = _complete(lambda given: auth.complete_authentication(user, given), answer)
        try:
            passkeys.passkey_spend(passkey, parsed.response.authenticator_data.counter)
        except passkeys.PasskeyRefused as exc:
            raise forms.ValidationError(exc.text) from exc
        return passkey

    def save(self) -> None:
        post_authentication(
            context.request,
            self.cleaned_data["credential"],
            reauthenticated=self.is_confirmation,
            passwordless=self.is_alone,
        )


class SignInPasskeyForm(UsePasskeyForm):
    """The passkey alone: it names its person."""

    is_alone = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, user=None, **kwargs)


class ConfirmPasskeyForm(UsePasskeyForm):
    """A signed-in person proves again that they are there."""

    is_confirmation = True


def _parsed(shape: Any, answer: Any) -> Any:
    """Read what a browser, or somebody else, sent. fido2 raises whatever its parsing runs into."""
    if not isinstance(answer, dict):
        raise forms.ValidationError(_NOT_READ)
    try:
        return shape.from_dict(answer)
    except Exception as exc:
        raise forms.ValidationError(_NOT_READ) from exc


def _complete(act: Any, answer: Any) -> Any:
    """Let the library judge challenge, host, verification and signature. Nothing it raises says more than no."""
    try:
        return act(answer)
    except Exception as exc:
        raise forms.ValidationError(_NOT_OURS) from exc
