"""What the vault refuses. No text ever carries key material."""

from apps.core.errors import DeskError


class KeyRefused(DeskError):
    """A key that was offered is not one the vault takes. Nothing was stored."""


class VaultClosed(DeskError):
    """This process has no private half of the vault: it may seal keys, never open them."""

    def __init__(self, text: str) -> None:
        super().__init__("vault_closed", text)


class KeyMissing(DeskError):
    """The account has no live key for this purpose."""

    def __init__(self, text: str) -> None:
        super().__init__("key_missing", text)


class KeyUnreadable(DeskError):
    """A sealed row does not open: it was altered, moved, restored, or its sealing key is gone."""

    def __init__(self, text: str) -> None:
        super().__init__("key_unreadable", text)


class ScopeRefused(DeskError):
    """A key without the write scope was asked to sign a write. Nothing was signed."""

    def __init__(self) -> None:
        super().__init__(
            "scope_refused", "This key may only read. Add a key with the write scope in Settings > Vault to trade."
        )


class PathRefused(DeskError):
    """A key was asked to sign a request that is not on the list of `vault.allowed`. Nothing was signed."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__("path_refused", f"The vault signs no {method[:10]} {path[:100]}. Nothing was sent.")
