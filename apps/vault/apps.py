from typing import Any

from celery.signals import task_postrun, worker_shutdown
from django.apps import AppConfig


class VaultConfig(AppConfig):
    name = "apps.vault"
    label = "vault"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.vault import approval

        approval.register()
        task_postrun.connect(_uses_flush_when_due, dispatch_uid="vault-uses")
        worker_shutdown.connect(_uses_flush, dispatch_uid="vault-uses-last")


# Workers count the uses of keys in memory; between tasks is where a database write is safe.
def _uses_flush_when_due(**kwargs: Any) -> None:
    from apps.vault.opening import uses_flush_when_due

    uses_flush_when_due()


def _uses_flush(**kwargs: Any) -> None:
    from apps.vault.opening import uses_flush

    uses_flush()
