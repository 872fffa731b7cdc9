"""Where an environment's exchange is reached: only ever a host of the settings' table.

No address comes from a person, a row or an answer, so no request can be steered elsewhere (SSRF).
"""

from django.conf import settings

from apps.core.errors import DeskError


class EnvironmentRefused(DeskError):
    """The environment is unknown, or this installation does not allow it."""

    def __init__(self, environment: str) -> None:
        allowed = ", ".join(settings.EXCHANGE_ENVIRONMENTS)
        super().__init__(
            "environment_refused",
            f"The environment {environment!r} is not enabled here (enabled: {allowed}). "
            "An operator can enable it with DESK_ENVIRONMENTS.",
        )
        self.environment = environment


def environment_check(environment: str) -> None:
    """Raises EnvironmentRefused unless the environment is in the table and enabled."""
    if environment not in settings.EXCHANGE_ENVIRONMENTS or environment not in settings.EXCHANGE_HOSTS:
        raise EnvironmentRefused(environment)


def rest_hosts(environment: str) -> list[str]:
    """Return the REST origins of an environment, preferred first. Raises EnvironmentRefused."""
    environment_check(environment)
    return list(settings.EXCHANGE_HOSTS[environment]["rest"])


def ws_hosts(environment: str) -> list[str]:
    """Return the WebSocket origins of an environment, preferred first. Raises EnvironmentRefused."""
    environment_check(environment)
    return list(settings.EXCHANGE_HOSTS[environment]["ws"])
