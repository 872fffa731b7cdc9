"""When a frame about a request that is not known makes the desk read its requests, and when it does not."""

from datetime import timedelta
from typing import Any

import pytest

from apps.core.timestamps import utc_now
from apps.paper.testing import DECI
from apps.rfq.models import Rfq
from tests.rfq.scene import RFQS, Scene
from tests.rfq.window import Window, window

__all__ = ["window"]


def unnamed(scene: Scene, state: str, *, age: timedelta = timedelta()) -> None:
    """A request of ours whose id the desk never learned."""
    rfq = scene.request()
    scene.us.delete(f"{RFQS}/{rfq.rfq_id}")
    Rfq.objects.filter(pk=rfq.pk).update(rfq_id=None, state=state, created_at=utc_now() - age)
    scene.queued.clear()
    scene.hear()
    scene.queued.clear()


def readings(scene: Scene) -> list[Any]:
    return [message for message in scene.queued if message[0] == "account_rfqs_sync"]


@pytest.mark.parametrize(
    ("state", "age", "is_read"),
    [
        ("unknown", timedelta(), True),
        ("sending", timedelta(), True),
        ("not_seen", timedelta(minutes=1), True),
        ("not_seen", timedelta(minutes=30), False),
        ("refused", timedelta(), False),
        ("closed", timedelta(), False),
    ],
)
def test_a_frame_of_a_strangers_request_is_only_read_after_while_one_of_ours_has_no_id(
    window: Window, state: str, age: timedelta, is_read: bool
) -> None:
    scene = window.scene
    unnamed(scene, state, age=age)

    window.quote(ticker=DECI)  # quote_created of our own quote on another's request

    assert bool(readings(scene)) is is_read
