from django.apps import AppConfig


class ExchangeConfig(AppConfig):
    name = "apps.exchange"
    label = "exchange"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.exchange import tasks, topics

        topics.register()
        ports.key_test_enqueue.append(tasks.key_test_enqueue)
