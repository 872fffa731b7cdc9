"""Death at every named place, the first, second and third time that it is reached (RELIABILITY F1)."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from apps.core import killpoints
from tests.faults.campaign import run
from tests.faults.steps import History, Step
from tests.orders.conftest import Place
from tests.support.desk import ROOT

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.xdist_group("faults")]

GTC = "good_till_canceled"
# A day that passes every place: an order that rests, fills in part, is amended twice (one answer lost), decreased and
# cancelled, one whose answer is lost, one whose request is lost, one that is refused; events, a sync, sweeps, and
# time going by.
DAY = (
    Step("submit", number=1, side="buy_yes", price="0.4500", name=GTC),
    Step("work"),
    Step("fault", name="lose_after"),
    Step("submit", number=2, side="buy_yes", price="0.4000", name=GTC),
    Step("work"),
    Step("work"),
    Step("fault", name="lose_before"),
    Step("submit", number=3, side="buy_no", price="0.6000", name=GTC),
    Step("work"),
    Step("work"),
    Step("fault", name="rate_limit"),
    Step("submit", number=4, side="buy_yes", price="0.5000", name=GTC),
    Step("work"),
    Step("trade", side="ask", price="0.4500", number=4),
    Step("deliver", number=2),
    Step("deliver"),
    Step("deliver"),
    Step("deliver"),
    Step("advance", number=2_000),
    Step("reconcile"),
    Step("change", pick=2, name="decrease"),
    Step("work"),
    Step("change", name="amend", price="0.4400"),
    Step("work"),
    Step("fault", name="lose_before"),
    Step("change", pick=1, name="amend", price="0.4300"),
    Step("work"),
    Step("work"),
    Step("advance", number=2_000),
    Step("cancel"),
    Step("work"),
    Step("fault", name="lose_after"),
    Step("cancel"),
    Step("work"),
    Step("advance", number=3_000),
    Step("beat"),
    Step("work"),
    Step("work"),
)


def history(*steps: Step) -> History:
    return History(seed=77, steps=(*steps, *DAY), lag_ms=1_500)


def test_the_day_passes_every_place(place: Place) -> None:
    result = run(history(), place)

    assert result.problems == []
    assert set(result.reached) == set(killpoints.POINTS)


@pytest.mark.long
@pytest.mark.parametrize("name", killpoints.POINTS)
def test_death_at_a_place_loses_nothing_and_doubles_nothing(place: Place, name: str) -> None:
    died = Counter[str]()
    for number in (1, 2, 3):
        result = run(history(Step("kill", name=name, number=number)), place)
        assert result.problems == [], f"died the {number}. time at {name}"
        died += result.deaths

    assert died[name] >= 1


def _process(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_variable_kills_a_real_process_at_the_named_time() -> None:
    script = (
        "from apps.core.killpoints import reach\n"
        "for number in range(3):\n"
        "    print(number, flush=True)\n"
        "    reach('send.claimed')\n"
    )

    done = _process(script, DESK_KILL_AT="send.claimed:2")

    assert done.returncode == -signal.SIGKILL
    assert done.stdout == "0\n1\n"


def test_a_trace_says_when_each_place_was_reached(tmp_path: Path) -> None:
    """Benchmarks read it, to see where an order's time goes."""
    script = "from apps.core.killpoints import reach\nreach('submit.started'); reach('send.answered')"

    done = _process(script, DESK_TRACE_TO=str(tmp_path / "steps"))

    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in (tmp_path / "steps").read_text().splitlines()]
    assert [name for name, _, _ in lines] == ["submit.started", "send.answered"]
    assert int(lines[0][1]) <= int(lines[1][1])


def test_without_the_variable_nothing_happens() -> None:
    assert _process("from apps.core.killpoints import reach; reach('send.claimed')").returncode == 0


@pytest.mark.parametrize("wrong", ["nowhere", "send.claimed:x"])
def test_a_place_that_does_not_exist_is_refused_in_words(wrong: str) -> None:
    done = _process("import apps.core.killpoints", DESK_KILL_AT=wrong)

    assert done.returncode != 0
    assert "names no place to end at" in done.stderr


@pytest.mark.parametrize(("name", "value"), [("DESK_KILL_AT", "send.claimed"), ("DESK_TRACE_TO", os.devnull)])
def test_production_refuses_the_variables(tmp_path: Path, name: str, value: str) -> None:
    done = _process(
        "from django.conf import settings; settings.DEBUG",
        DJANGO_SETTINGS_MODULE="kalshi_desk.settings.production",
        DESK_DATA=str(tmp_path),
        DESK_MODE="team",
        DESK_SECRET_KEY="q8V1xZ0rT5nB3mK7wY2pL6sD9fG4hJ-aEcUiOq8V1xZ0rT5nB3mK7wY2",
        DESK_SECURE_COOKIES="1",
        DESK_ORIGINS="https://desk.example.org",
        **{name: value},
    )

    assert done.returncode != 0
    assert f"{name} is set" in done.stderr
