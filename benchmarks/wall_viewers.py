"""The viewers of benchmarks/wall.py: many tabs of the wall in one process. And the server of its floor (--serve PORT).

Reads one line of JSON from stdin, says "open" when all are in, and ends with stdin; the last line is what they waited.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

KINDS = ("wall", "kill", "trading")
BEAT, FRAME = 1.0, 2.0  # seconds, as the desk has them


class Tabs:
    def __init__(self, what: dict[str, Any]) -> None:
        self.what = what
        self.pages: list[float] = []
        self.readings: list[float] = []
        self.left = len(what["cookies"])
        self.all_in = asyncio.Event()

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=60, max_keepalive_connections=60)
        async with httpx.AsyncClient(base_url=self.what["url"], timeout=120, limits=limits) as http:
            tabs = [asyncio.create_task(self._tab(http, cookie)) for cookie in self.what["cookies"]]
            said = asyncio.create_task(self._say())
            await asyncio.to_thread(sys.stdin.read)
            said.cancel()
            for tab in tabs:
                tab.cancel()
            ended = await asyncio.gather(*tabs, return_exceptions=True)
        for one in ended:
            if isinstance(one, Exception):
                sys.stderr.write(f"a viewer was lost: {one!r}\n")
        print(json.dumps({"pages": self.pages, "readings": self.readings}), flush=True)

    async def _say(self) -> None:
        try:
            async with asyncio.timeout(self.what["wait"]):
                await self.all_in.wait()
        except TimeoutError:
            print(f"{self.left} are missing", flush=True)
        else:
            print("open", flush=True)

    async def _read(self, http: httpx.AsyncClient, path: str, cookie: str, times: list[float]) -> None:
        began = time.perf_counter()
        answer = await http.get(path, headers={"Cookie": cookie})
        assert answer.status_code == 200, answer.status_code
        times.append((time.perf_counter() - began) * 1000)

    async def _tab(self, http: httpx.AsyncClient, cookie: str) -> None:
        is_floor = self.what.get("is_floor", False)
        if not is_floor:
            await self._read(http, "/monitor/", cookie, self.pages)
        async with connect(
            f"{self.what['url'].replace('http', 'ws', 1)}/ws/",
            additional_headers={"Cookie": cookie},
            origin=self.what["url"],
            open_timeout=120,
            ping_interval=None,
        ) as socket:
            topics = [f"{kind}:{self.what['account']}" for kind in KINDS]
            await socket.send(json.dumps({"id": 1, "cmd": "subscribe", "topics": topics}))
            reader = asyncio.create_task(self._hear(socket))
            try:
                while self.what["read_every"] and not is_floor:
                    await asyncio.sleep(self.what["read_every"] * random.uniform(0.5, 1))
                    await self._read(http, "/monitor/panels/", cookie, self.readings)
                await reader
            finally:
                reader.cancel()

    async def _hear(self, socket: Any) -> None:
        is_in = False
        async for text in socket:
            heard = json.loads(text)
            for part in heard if isinstance(heard, list) else [heard]:
                if "hb" in part:
                    await socket.send(json.dumps({"ack": part["hb"]}))
                if not is_in and (part.get("id") == 1 or self.what.get("is_floor")):
                    is_in = True
                    self.left -= 1
                    if not self.left:
                        self.all_in.set()


async def floor(port: int) -> None:
    html = await asyncio.to_thread(sys.stdin.readline)
    frame = json.dumps({"topic": "wall:1", "v": 1, "d": {"html": html}})

    async def sends(socket: ServerConnection) -> None:
        await asyncio.sleep(random.uniform(0, BEAT))
        beats = 0
        try:
            while True:
                beats += 1
                await socket.send(json.dumps({"hb": beats}))
                if beats % (FRAME / BEAT) == 0:
                    await socket.send(frame)
                await asyncio.sleep(BEAT)
        except ConnectionClosed:
            return

    async with serve(sends, "127.0.0.1", port, ping_interval=None, compression=None):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=int, default=0)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(floor(given.serve))
    else:
        asyncio.run(Tabs(json.loads(sys.stdin.readline())).run())


if __name__ == "__main__":
    main()
