"""ASGI entry point: pages through Django, the browsers' one socket through Channels."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshi_desk.settings.base")
django_application = get_asgi_application()

from django.conf import settings  # noqa: E402 - Django must be set up first

from apps.web.routing import websocket_urlpatterns  # noqa: E402 - as above

application = ProtocolTypeRouter(
    {
        "http": django_application,
        # Full origins: the allowed-hosts validator would accept any port and plain http.
        "websocket": OriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), settings.PUBLIC_ORIGINS),
    }
)
