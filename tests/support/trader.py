"""A signed-in person with one tab: the desk's socket as a browser speaks it (docs/realtime.md), without the browser."""

import json
import re
import time
import uuid
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect


class SocketTrader:
    """rows: orders as the last frames told, by key. answers: by the id of the message that they answer."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self.rows: dict[str, dict[str, Any]] = {}
        self.answers: dict[int, dict[str, Any]] = {}
        self.topics: list[str] = []
        self._last_id = 0
        self._socket: ClientConnection | None = None
        with httpx.Client(base_url=url, timeout=60) as http:
            page = http.get("/accounts/login/")
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
            assert token is not None, page.text[:500]
            form = {"csrfmiddlewaretoken": token[1], "login": username, "password": password}
            answer = http.post("/accounts/login/", data=form, headers={"Referer": f"{url}/accounts/login/"})
            assert answer.status_code == 302, answer.text[-2000:]
            self._cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())

    def open(self, *, within: float = 180.0) -> None:
        """Connect, again and again until it works, and subscribe to what was subscribed before.

        The server may die at any moment of it: before it listens, in the handshake, or right after.
        """
        end = time.monotonic() + within
        while True:
            try:
                self._socket = connect(
                    f"{self.url.replace('http', 'ws', 1)}/ws/",
                    additional_headers={"Cookie": self._cookie},
                    origin=self.url,  # type: ignore[arg-type]
                    open_timeout=90,
                    max_size=None,
                    ping_interval=None,  # the desk's own heartbeat is answered in `hear`
                    legacy=True,  # it lives longer than a with-block; `close` ends it
                )
                if self.topics:
                    self.send("subscribe", topics=self.topics)
                return
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def subscribe(self, *topics: str) -> None:
        self.topics += topics
        self.ask("subscribe", topics=list(topics))

    def send(self, cmd: str, **fields: Any) -> int:
        """Send one message and return its id. Raises ConnectionClosed."""
        assert self._socket is not None
        self._last_id += 1
        self._socket.send(json.dumps({"id": self._last_id, "cmd": cmd, **fields}))
        return self._last_id

    def ask(self, cmd: str, *, within: float = 60.0, **fields: Any) -> dict[str, Any]:
        """Send one message and return its answer ({"ok"} or {"error"}). Raises ConnectionClosed, TimeoutError."""
        sent = self.send(cmd, **fields)
        end = time.monotonic() + within
        while sent not in self.answers:
            if time.monotonic() > end:
                raise TimeoutError(f"{cmd} was not answered within {within} s")
            self.hear(0.5)
        return self.answers.pop(sent)

    def hear(self, patience: float) -> bool:
        """Take in one message, or wait `patience` seconds for none. Raises ConnectionClosed."""
        assert self._socket is not None
        try:
            text = self._socket.recv(timeout=patience)
        except TimeoutError:
            return False
        heard = json.loads(text)
        for part in heard if isinstance(heard, list) else [heard]:
            if "hb" in part:
                self._socket.send(json.dumps({"ack": part["hb"]}))
            elif "topic" in part:
                self._frame(part["topic"], part["d"])
            elif "id" in part:
                self.answers[part["id"]] = part
        return True

    def _frame(self, topic: str, frame: dict[str, Any]) -> None:
        if not topic.startswith("orders:"):
            return
        if frame.get("all"):
            self.rows.clear()
        for key, row in frame["rows"].items():
            if row is None:
                self.rows.pop(key, None)
            elif row["v"] >= self.rows.get(key, row)["v"]:
                self.rows[key] = row

    @staticmethod
    def ticket(ticker: str, *, price: str, count: int, side: str = "buy_yes", key: str = "") -> dict[str, Any]:
        return {
            "idempotency_key": key or str(uuid.uuid4()),
            "ticker": ticker,
            "side": side,
            "price": price,
            "count": str(count),
            "time_in_force": "good_till_canceled",
        }


__all__ = ["ConnectionClosed", "SocketTrader"]
