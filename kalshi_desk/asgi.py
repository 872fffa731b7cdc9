"""ASGI entry point: pages through Django, the browsers' one socket through Channels."""

import os
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator, WebsocketDenier
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshi_desk.settings.base")
django_application = get_asgi_application()

from django.conf import settings  # noqa: E402 - Django must be set up first

from apps.web.lanes import Lanes  # noqa: E402 - as above
from apps.web.routing import websocket_urlpatterns  # noqa: E402 - as above


class ExactOrigin(OriginValidator):  # type: ignore[misc] # channels carries no types
    """Compares the whole header, letter by letter: parsing what an attacker wrote can only go wrong."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        given = [value for name, value in scope["headers"] if name == b"origin"]
        is_ours = len(given) == 1 and given[0] in [origin.encode() for origin in self.allowed_origins]
        return await (self.application if is_ours else WebsocketDenier())(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": Lanes(django_application, cookie=settings.SESSION_COOKIE_NAME),
        # Full origins: the allowed-hosts validator would accept any port and plain http.
        "websocket": ExactOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), settings.PUBLIC_ORIGINS),
    }
)
