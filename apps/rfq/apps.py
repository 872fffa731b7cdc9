from django.apps import AppConfig


class RfqConfig(AppConfig):
    name = "apps.rfq"
    label = "rfq"
    default_auto_field = "django.db.models.BigAutoField"
