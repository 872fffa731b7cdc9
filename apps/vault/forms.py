"""Field shapes only: what a key may be is decided by `services`. A secret is never rendered back."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.views.decorators.debug import sensitive_variables

from apps.accounts.access import accounts_visible
from apps.accounts.models import ExchangeAccount
from apps.accounts.services import environments_enabled
from apps.core.permissions import Actor
from apps.vault.models import ApiKey
from apps.vault.pem import MAX_BYTES
from apps.vault.services import NewKey
from apps.vault.signing import READ, WRITE

SCOPES = {"read": (READ,), "read_write": (READ, WRITE)}


class SecretTextarea(forms.Textarea):
    """A text area that comes back empty, whatever was typed."""

    def format_value(self, value: Any) -> str:
        return ""


@sensitive_variables()
def _without_secrets(data: Any) -> tuple[Any, list[str]]:
    """Return the data without private keys that slipped into fields which a page shows again, and those fields."""
    misplaced = [name for name in data if name != "pem" and "PRIVATE KEY" in str(data[name])]
    if misplaced:
        data = data.copy()
        for name in misplaced:
            data[name] = ""
    return data, misplaced


class _AccountChoice(forms.ModelChoiceField):  # type: ignore[type-arg] # not generic at run time
    def label_from_instance(self, obj: Any) -> str:
        account: ExchangeAccount = obj
        return f"{account.name} · {account.get_environment_display()}"


class KeyForm(forms.Form):
    """What both ways of adding a key share."""

    account = _AccountChoice(queryset=ExchangeAccount.objects.none(), empty_label=None)
    label = forms.CharField(max_length=80, help_text="How the desk calls this key, such as “Main trading”.")
    purpose = forms.ChoiceField(choices=ApiKey.Purpose.choices, help_text="One key per purpose and account.")
    scopes = forms.ChoiceField(
        label="Scopes",
        choices=[("read", "Read"), ("read_write", "Read and write")],
        initial="read_write",
        help_text="What this desk may sign with the key. Never more than the exchange gave it.",
    )

    def __init__(self, *args: Any, actor: Actor, replaces: ApiKey | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.data, self._misplaced = _without_secrets(self.data)
        self.replaces = replaces
        account = self.fields["account"]
        assert isinstance(account, forms.ModelChoiceField)
        account.queryset = accounts_visible(actor)
        if replaces is not None:
            account.queryset = account.queryset.filter(pk=replaces.account_id)
            purpose = self.fields["purpose"]
            assert isinstance(purpose, forms.ChoiceField)
            purpose.choices = [(replaces.purpose, replaces.get_purpose_display())]

    def _post_clean(self) -> None:
        for name in self.fields.keys() & set(self._misplaced):
            self.errors.pop(name, None)
            self.add_error(name, "A private key was pasted here, so this was emptied. It belongs in its own field.")

    @sensitive_variables()
    def new_key(self) -> NewKey:
        cleaned = self.cleaned_data
        return NewKey(
            account_id=cleaned["account"].pk,
            label=cleaned["label"],
            purpose=cleaned["purpose"],
            scopes=SCOPES[cleaned["scopes"]],
            key_id=cleaned.get("key_id", ""),
            secret=cleaned.get("secret"),
            replaces=self.replaces.pk if self.replaces else None,
        )


class KeyImportForm(KeyForm):
    key_id = forms.CharField(
        label="Key id", max_length=80, help_text="The exchange shows it beside the key.", widget=forms.TextInput
    )
    pem = forms.CharField(
        label="Private key, pasted",
        required=False,
        strip=False,
        max_length=MAX_BYTES,
        error_messages={"max_length": "This is larger than 16 kB, so it is not a key file."},
        widget=SecretTextarea(
            attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false", "class": "field__input--code"}
        ),
        help_text="From -----BEGIN to the END line. It is sealed at once and never shown again.",
    )
    pem_file = forms.FileField(label="or the file from the exchange", required=False, allow_empty_file=True)

    field_order = ["account", "label", "purpose", "scopes", "key_id", "pem", "pem_file"]

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        pasted: str = cleaned.pop("pem", "") or ""
        upload: UploadedFile[Any] | None = cleaned.pop("pem_file", None)
        if "pem" in self.errors:
            return cleaned
        if bool(pasted.strip()) == (upload is not None):
            self.add_error("pem", "Paste the private key or choose its file: one of the two.")
        elif upload is None:
            cleaned["secret"] = pasted.encode()
        elif (upload.size or 0) > MAX_BYTES:
            self.add_error("pem_file", "This file is larger than 16 kB, so it is not a key file.")
        else:
            cleaned["secret"] = upload.read()
        return cleaned


class KeyGenerateForm(KeyForm):
    """A pair made in the desk: its key id is known only after the public half was uploaded."""

    field_order = ["account", "label", "purpose", "scopes"]


class KeyIdForm(forms.Form):
    key_id = forms.CharField(label="Key id from the exchange", max_length=80)


class AccountForm(forms.Form):
    environment = forms.ChoiceField(choices=[])
    name = forms.CharField(max_length=80, help_text="How the desk calls the exchange account.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = dict(ExchangeAccount._meta.get_field("environment").flatchoices)
        environment = self.fields["environment"]
        assert isinstance(environment, forms.ChoiceField)
        environment.choices = [(name, labels[name]) for name in environments_enabled()]
