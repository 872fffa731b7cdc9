from django.apps import AppConfig


class DataApiConfig(AppConfig):
    name = "apps.data_api"
    label = "data_api"
    default_auto_field = "django.db.models.BigAutoField"
