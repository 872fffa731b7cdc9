"""What the engine raises.

* FixError
    * NotEncodable     a value that cannot be put into a message: a mistake of the caller, nothing was sent
    * SendRefused      the session may not send this, or not now: nothing was sent
    * StoreCorrupt     the stored sequence numbers cannot be trusted: reset and reconcile
"""


class FixError(Exception):
    """Base of what the engine raises."""


class NotEncodable(FixError, ValueError):
    """A value is empty, holds a delimiter, or is of the wrong type."""


class SendRefused(FixError):
    """The session may not send this message. Nothing was written, no sequence number was used.

    Args:
        code: stable, snake_case.
        text: what is wrong and what to do.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class StoreCorrupt(FixError):
    """The store does not verify; what it says about sequence numbers is not used."""
