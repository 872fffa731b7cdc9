"""What a caller does while its request is on the way: after the last byte, before the answer."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.exchange.wire.client import ExchangeClient


class _Server(ThreadingHTTPServer):
    """Answers a POST only once `told` is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        was_told = self.server.told.wait(60)
        body = b'{"told": true}' if was_told else b'{"told": false}'
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def client(server: _Server) -> Iterator[ExchangeClient]:
    client = ExchangeClient([f"http://127.0.0.1:{server.server_port}"], None, None)
    yield client
    client.close()


def test_it_is_called_before_the_answer_comes(server: _Server, client: ExchangeClient) -> None:
    assert client.post("/orders", json={"count": "1.00"}, on_sent=server.told.set) == {"told": True}


def test_what_it_raises_does_not_hide_the_answer(server: _Server, client: ExchangeClient) -> None:
    def fail() -> None:
        server.told.set()
        raise RuntimeError("the browser's row could not be built")

    assert client.post("/orders", json={"count": "1.00"}, on_sent=fail) == {"told": True}
