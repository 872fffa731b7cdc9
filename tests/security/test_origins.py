"""The socket opens for pages of this desk alone: full origins, scheme, host and port."""

from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings

OURS = settings.PUBLIC_ORIGINS[0]
PATIENCE = 60
FOREIGN = [
    None,
    "null",
    "",
    "https://evil.example",
    OURS.replace("http://", "https://"),
    OURS.rpartition(":")[0],
    f"{OURS.rpartition(':')[0]}:1",
    OURS.replace("http://", "http://sub."),
    f"{OURS}.evil.example",
    "http://xn--127-0-0-1.example",
    "file://",
    f"{OURS}@evil.example",
]


@pytest.fixture(scope="module")
def application() -> Any:
    # Not before the folder of static files is there, of which the middleware would warn.
    from kalshi_desk import asgi

    return asgi.application


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.django_db(transaction=True)
async def test_a_page_of_somebody_else_opens_no_socket(application: Any) -> None:
    for origin in FOREIGN:
        headers = [] if origin is None else [(b"origin", origin.encode())]
        socket = WebsocketCommunicator(application, "/ws/", headers=headers)

        is_open, _ = await socket.connect(timeout=PATIENCE)

        assert not is_open, origin
        await socket.disconnect(timeout=PATIENCE)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.django_db(transaction=True)
async def test_a_page_of_ours_does_and_is_asked_to_sign_in(application: Any) -> None:
    socket = WebsocketCommunicator(application, "/ws/", headers=[(b"origin", OURS.encode())])

    is_open, _ = await socket.connect(timeout=PATIENCE)

    assert is_open
    assert (await socket.receive_output(timeout=PATIENCE))["code"] == 4401
    await socket.disconnect(timeout=PATIENCE)
