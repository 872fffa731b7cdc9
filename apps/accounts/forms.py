import zoneinfo
from functools import lru_cache
from typing import Any

from django import forms

from apps.accounts.grants import MAX_SUBACCOUNT
from apps.accounts.models import User


@lru_cache(maxsize=1)
def time_zones() -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones()) if name != "localtime"]


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg] # not generic at run time
    """How one person sees the desk."""

    time_zone = forms.ChoiceField(label="Time zone", choices=time_zones, help_text="Exchange time is shown on hover.")

    class Meta:
        model = User
        fields = ["display_name", "theme", "price_format", "time_zone", "is_colour_blind_palette"]
        labels = {
            "display_name": "Name shown to the desk",
            "price_format": "Prices",
            "is_colour_blind_palette": "Blue and orange instead of green and red",
        }

    def only(self, names: set[str]) -> "PreferencesForm":
        """Keep the fields that were sent: a switch in the frame changes one thing."""
        for name in list(self.fields):
            if name not in names:
                del self.fields[name]
        return self


class AccountSelectForm(forms.Form):
    account = forms.IntegerField(min_value=1)
    subaccount = forms.IntegerField(min_value=0, max_value=MAX_SUBACCOUNT, required=False)

    def choice(self) -> dict[str, int]:
        cleaned: dict[str, Any] = self.cleaned_data
        return {"account_id": cleaned["account"], "subaccount": cleaned["subaccount"] or 0}


class DeskSelectForm(forms.Form):
    desk = forms.IntegerField(min_value=1)
