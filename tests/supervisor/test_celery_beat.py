"""Beat sends each entry of its schedule, and makes its queue of entries once."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.conf import settings
from kombu.utils.imports import symbol_by_name

from kalshi_desk.celery_beat import FixedScheduler


def test_beat_uses_it() -> None:
    assert symbol_by_name(settings.CELERY_BEAT_SCHEDULER) is FixedScheduler


def test_every_entry_is_sent_and_the_queue_of_entries_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Celery("beats", broker="memory://", set_as_current=False)
    # Always due, whatever the clock says.
    app.conf.beat_schedule = {name: {"task": name, "schedule": 0.0} for name in ("one", "other")}
    sent: list[str] = []
    made: Counter[str] = Counter()

    class Recording(FixedScheduler):
        def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> None:
            sent.append(entry.task)

        def populate_heap(self, *args: Any, **kwargs: Any) -> None:
            made["heap"] += 1
            super().populate_heap(*args, **kwargs)

    monkeypatch.setattr(Recording, "producer", None)
    scheduler = Recording(app=app, schedule_filename=str(tmp_path / "schedule"))
    try:
        for _ in range(200):
            scheduler.tick()
            if min(sent.count("one"), sent.count("other")) >= 2:
                break
    finally:
        scheduler.close()

    assert {"one", "other"} <= set(sent)
    assert made["heap"] == 1
    assert scheduler.schedules_equal({"one": 1}, {"one": 2})
    assert not scheduler.schedules_equal(None, {"one": 1})
