"""The plain alternative that `benchmarks.fanout` compares with: each browser's consumer has its own Redis subscription.

It decodes each message, picks its topics and sends each frame, without conflation, sessions or permissions.
"""

import asyncio
import json
import os
import time
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshi_desk.settings.base")

import django

django.setup()

import redis.asyncio  # noqa: E402 - Django must be set up first
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 - Django must be set up first
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - Django must be set up first
from django.conf import settings  # noqa: E402 - Django must be set up first
from django.urls import path  # noqa: E402 - Django must be set up first


class PlainConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()
        self.topics: set[str] = set()
        self.jobs = [asyncio.create_task(self.forward()), asyncio.create_task(self.beat())]

    async def disconnect(self, code: int) -> None:
        for job in self.jobs:
            job.cancel()
        await asyncio.gather(*self.jobs, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        message: dict[str, Any] = json.loads(text_data or "{}")
        if message.get("cmd") == "subscribe":
            self.topics.update(message["topics"])

    async def forward(self) -> None:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None)
        async with client, client.pubsub(ignore_subscribe_messages=True) as reader:
            await reader.subscribe("desk:live")
            async for message in reader.listen():
                for topic, version, frame in json.loads(message["data"]):
                    if topic in self.topics:
                        await self.send(text_data=json.dumps({"topic": topic, "v": version, "d": frame}))

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(1)
            await self.send(text_data=json.dumps({"hb": time.time_ns() // 1_000_000}))


application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/", PlainConsumer.as_asgi())])})
