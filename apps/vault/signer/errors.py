"""What the signer's process refuses beside what the vault does. Each comes before the first byte to the exchange."""

from apps.core.errors import DeskError


class SignerAway(DeskError):
    """The process that signs is not there, or did not answer in time."""

    def __init__(self, text: str) -> None:
        super().__init__("signer_away", text)


class SignerBusy(DeskError):
    """One key was asked for more signatures than any tier of the exchange takes."""

    def __init__(self) -> None:
        super().__init__("signer_busy", "This key signs too often at once. Nothing was sent; try again in a second.")
