"""The words of a refusal."""

import pytest

from apps.core.errors import not_sent


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("The signer is away (OSError). Nothing was sent.", "Not sent: The signer is away (OSError)."),
        ("This key signs too often at once. Nothing was sent; try again in a second.", None),
        ("The market is closed.", "Not sent: The market is closed."),
    ],
)
def test_a_refusal_says_once_that_nothing_was_sent(why: str, said: str | None) -> None:
    assert not_sent(why) == (said or "Not sent: This key signs too often at once; try again in a second.")
