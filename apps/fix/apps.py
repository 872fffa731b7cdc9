from django.apps import AppConfig


class FixConfig(AppConfig):
    name = "apps.fix"
    label = "fix"
    default_auto_field = "django.db.models.BigAutoField"
