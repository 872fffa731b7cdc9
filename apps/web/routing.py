from django.urls import URLPattern, path

from apps.web.consumers import DeskConsumer

websocket_urlpatterns: list[URLPattern] = [path("ws/", DeskConsumer.as_asgi())]
