from apps.core.errors import DeskError


class BackupRefused(DeskError):
    """A backup cannot be made, read or restored. Nothing was changed."""
