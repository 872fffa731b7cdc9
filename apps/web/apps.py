from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class WebConfig(AppConfig):
    name = "apps.web"
    label = "web"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Workers load the tasks by themselves; web and gateway, which queue them, would not know them.
        autodiscover_modules("tasks")
