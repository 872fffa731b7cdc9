from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "apps.monitoring"
    label = "monitoring"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.monitoring import commands, jobs, tracing  # noqa: F401 - tracing connects its signals
        from apps.monitoring.alerts import commands as alert_commands
        from apps.monitoring.services import kill

        commands.register()
        kill.register()
        alert_commands.register()
        ports.gateway_jobs["kill"] = jobs.kill_watch
