from django.apps import AppConfig


class HistoryConfig(AppConfig):
    name = "apps.history"
    label = "history"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.core.permissions import Permission
        from apps.history import selectors

        ports.register_topic(
            ports.Topic("history", Permission.DESK_VIEW, scope="account", mode="rows", state=selectors.history_state)
        )
