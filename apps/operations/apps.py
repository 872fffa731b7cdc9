from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "apps.operations"
    label = "operations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.operations import database_looks, looks
        from apps.operations.reconcile import release_hold

        ports.release_holds.append(release_hold)
        ports.health_looks.append(looks.parts)
        ports.doctor_looks.append(looks.findings)
        ports.doctor_looks.append(database_looks.findings)
