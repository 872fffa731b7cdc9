"""What a reader of the Markets page may choose. The shape of each field, and nothing else."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms

from apps.core.errors import DeskError
from apps.markets.selectors import LIST_AT_MOST, SORTS, STATUS_FILTERS

PAGE_LENGTH = 50
STARRED_LIST = "starred"
STATUSES = (("all", "Any status"), *((key, key.capitalize()) for key in STATUS_FILTERS if key != "unlisted"))
# Value -> words, and how long until the market closes.
CLOSES = (
    ("", "Any close"),
    ("1h", "Closes in 1 h"),
    ("1d", "in 24 h"),
    ("7d", "in 7 days"),
    ("30d", "in 30 days"),
)
REWARDS = (("", "Any reward"), ("now", "Rewarded now"))
CLOSES_WITHIN = {
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


class MarketFilterForm(forms.Form):
    """The query of the Markets page and of its rows; every field may be absent."""

    q = forms.CharField(max_length=120, required=False)
    category = forms.CharField(max_length=80, required=False)
    series = forms.CharField(max_length=80, required=False)
    tag = forms.CharField(max_length=80, required=False)
    competition = forms.CharField(max_length=120, required=False)
    scope = forms.CharField(max_length=80, required=False)
    status = forms.ChoiceField(choices=STATUSES, required=False)
    closes = forms.ChoiceField(choices=CLOSES, required=False)
    spread = forms.DecimalField(
        min_value=Decimal(0), max_value=Decimal(100), decimal_places=2, max_digits=5, required=False
    )
    volume = forms.DecimalField(min_value=Decimal(0), decimal_places=2, max_digits=14, required=False)
    rewards = forms.ChoiceField(choices=REWARDS, required=False)
    list = forms.RegexField(r"^(starred|[0-9]{1,18})$", required=False)
    # The list that stars change while all markets are shown: how a list is filled.
    star = forms.RegexField(r"^[0-9]{1,18}$", required=False)
    sort = forms.RegexField(rf"^-?({'|'.join(SORTS)})$", required=False)
    offset = forms.IntegerField(min_value=0, max_value=1_000_000, required=False)
    limit = forms.IntegerField(min_value=1, max_value=LIST_AT_MOST, required=False)

    _WORDS = {
        "q": "A search has at most 120 characters.",
        "category": "There is no such category.",
        "series": "There is no such series.",
        "tag": "There is no such tag.",
        "competition": "There is no such competition.",
        "scope": "There is no such scope.",
        "status": "Choose one of the listed statuses.",
        "closes": "Choose one of the listed closing times.",
        "spread": "A spread is a number of cents from 0 to 100, such as 2 or 0.5.",
        "volume": "A volume is a number of contracts, such as 1000.",
        "rewards": "Choose one of the listed rewards.",
        "list": "There is no such list.",
        "star": "There is no such list.",
        "sort": f"Markets are sorted by {', '.join(SORTS)}.",
        "offset": "A page begins at a whole number, 0 or more.",
        "limit": f"A page has 1 to {LIST_AT_MOST} markets.",
    }

    def problems(self) -> dict[str, str]:
        """Field -> what is wrong and what would be right, without repeating what was sent."""
        return {name: self._WORDS[name] for name in self.errors}

    def chosen(self) -> dict[str, Any]:
        """Return the cleaned values.

        Raises:
            DeskError: something does not read; `fields` says what.
        """
        if not self.is_valid():
            problems = self.problems()
            raise DeskError("bad_filter", " ".join(problems.values()), fields=problems)
        return dict(self.cleaned_data)
