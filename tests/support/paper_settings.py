"""What the paper exchange needs of the settings: the desk's apps, which it does not use, take a second to load."""

from kalshi_desk.settings.base import *  # noqa: F403

INSTALLED_APPS = ["apps.paper"]
