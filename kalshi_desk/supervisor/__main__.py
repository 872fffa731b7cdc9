"""`python -m kalshi_desk.supervisor`: the embedded desk in one terminal."""

import gc
import os
import sys
from pathlib import Path

from kalshi_desk.supervisor import place as places
from kalshi_desk.supervisor.log import Log

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    place, lock = places.prepare(ROOT)
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "kalshi_desk.settings.base"),
            "DESK_DATA": str(place.data),
            "PORT": str(place.port),
            "DESK_PAPER_PORT": str(place.paper_port),
            "DESK_VAULT_PRIVATE_KEY": str(place.data / "vault" / "private.pem"),
        }
    )
    os.environ.setdefault("REDIS_URL", f"unix://{place.redis_socket}")

    from django.core.exceptions import ImproperlyConfigured

    from kalshi_desk.supervisor.runner import Supervisor

    supervisor = Supervisor(place, Log(place.data / "logs"))
    supervisor.start_services()  # they come up while Django loads
    try:
        import django

        django.setup()
        import kombu.transport.redis  # noqa: F401 - the first order must not wait for these

        import kalshi_desk.urls  # noqa: F401 - loaded here once, shared by every fork
        from kalshi_desk.celery import app

        app.finalize()
        _ = app.amqp.send_task_message
    except ImproperlyConfigured as error:
        supervisor.stop()
        places.refuse(str(error), "docs/configuration.md lists every variable.")
    gc.collect()
    gc.freeze()  # keep the garbage collector from touching, and so copying, the shared pages
    try:
        return supervisor.run()
    finally:
        lock.close()


if __name__ == "__main__":
    sys.exit(main())
