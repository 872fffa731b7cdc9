from django.apps import AppConfig

from apps.core.ports import GatewayTools


class FixConfig(AppConfig):
    name = "apps.fix"
    label = "fix"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports

        ports.gateway_jobs["fix"] = _sessions


async def _sessions(tools: GatewayTools) -> None:
    # The engine is loaded by the gateway alone: every other process stays as small as it was.
    from apps.fix.runner import sessions_job

    await sessions_job(tools)
