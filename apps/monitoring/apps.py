from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "apps.monitoring"
    label = "monitoring"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.monitoring import commands, jobs, tracing  # noqa: F401 - tracing connects its signals
        from apps.monitoring.alerts import commands as alert_commands
        from apps.monitoring.alerts import requests as alert_requests
        from apps.monitoring.services import kill
        from apps.rfq.services import watches

        commands.register()
        kill.register()
        alert_commands.register()
        watches.providers.append(alert_requests.watches)
        ports.gateway_jobs["kill"] = jobs.kill_watch
        ports.gateway_jobs["signer"] = jobs.signer_watch
