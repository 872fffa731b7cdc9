"""What follows the end of a connection (D16, D19, D20, D26, D30), and what a Logout's words mean."""

from datetime import UTC, datetime

import pytest

from apps.fix.engine.outputs import End, end_of_logout
from apps.fix.engine.reconnect import maintenance_ends, next_maintenance, plan

FRIDAY = datetime(2026, 8, 7, 12, 0, tzinfo=UTC)
THURSDAY_4_ET = datetime(2026, 8, 6, 8, 0, tzinfo=UTC)


def planned(end, *, in_a_row=1, heartbeat=30, now=FRIDAY):
    return plan(end, "why", in_a_row=in_a_row, heartbeat=heartbeat, now=now)


def test_what_was_asked_for_is_not_started_again():
    assert planned(End.REQUESTED).wait is None
    assert planned(End.REQUESTED, now=THURSDAY_4_ET).wait is None


@pytest.mark.parametrize(("heartbeat", "wait"), [(30, 60), (10, 20), (120, 60)])
def test_d16_a_stale_connection_is_waited_for_and_explained(heartbeat, wait):
    told = planned(End.ALREADY_EXISTS, heartbeat=heartbeat, in_a_row=9)

    assert told.wait == wait
    assert "connected already" in told.text


def test_d19_a_wrong_clock_is_no_loop():
    assert planned(End.CLOCK, in_a_row=50).wait == 60


@pytest.mark.parametrize(("end", "most"), [(End.SIGNATURE, 3), (End.LOOP, 3), (End.REFUSED, 5)])
def test_d20_what_does_not_mend_itself_is_given_up(end, most):
    assert planned(end, in_a_row=most - 1).wait is not None
    assert planned(end, in_a_row=most).wait is None


@pytest.mark.parametrize("end", [End.LOST, End.SILENT, End.PEER_LOGOUT, End.LOGON_TIMEOUT])
def test_lost_connections_are_tried_for_ever_at_growing_distance(end):
    waits = [planned(end, in_a_row=number).wait for number in (1, 2, 3, 4, 5, 100)]

    assert waits == [1, 2, 5, 10, 30, 30]


def test_d30_maintenance_is_planned_and_ends_at_five():
    told = planned(End.PEER_LOGOUT, now=THURSDAY_4_ET, in_a_row=7)

    assert (told.wait, told.is_planned) == (3605, True)
    assert "05:00" in told.text


def test_maintenance_at_another_time_is_waited_for_too():
    assert planned(End.MAINTENANCE, in_a_row=99).wait == 30
    assert planned(End.MAINTENANCE).is_planned


@pytest.mark.parametrize(
    ("now", "is_inside"),
    [
        (datetime(2026, 8, 6, 6, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 8, 6, 7, 0, tzinfo=UTC), True),
        (datetime(2026, 8, 6, 8, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 8, 6, 9, 0, tzinfo=UTC), False),
        (datetime(2026, 1, 8, 8, 0, tzinfo=UTC), True),  # winter
        (datetime(2026, 8, 7, 8, 0, tzinfo=UTC), False),
    ],
)
def test_the_window_is_thursday_three_to_five_in_new_york(now, is_inside):
    assert (maintenance_ends(now) is not None) is is_inside


def test_the_next_window():
    assert next_maintenance(FRIDAY).isoformat() == "2026-08-13T03:00:00-04:00"
    assert next_maintenance(THURSDAY_4_ET).isoformat() == "2026-08-13T03:00:00-04:00"
    assert next_maintenance(datetime(2026, 8, 5, 12, tzinfo=UTC)).isoformat() == "2026-08-06T03:00:00-04:00"


@pytest.mark.parametrize(
    ("text", "logging_on", "running"),
    [
        ("already exists", End.ALREADY_EXISTS, End.ALREADY_EXISTS),
        ("MsgSeqNum too low, expecting 57 but received 3", End.NUMBERS, End.NUMBERS),
        ("ResetSeqNumFlag<141> must be Y on KalshiNR", End.NUMBERS, End.NUMBERS),
        ("signature verification failed", End.SIGNATURE, End.PEER_LOGOUT),
        ("SendingTime accuracy problem", End.CLOCK, End.CLOCK),
        ("scheduled maintenance", End.MAINTENANCE, End.MAINTENANCE),
        ("rate limit exceeded", End.PEER_LOGOUT, End.PEER_LOGOUT),
        ("", End.REFUSED, End.PEER_LOGOUT),
    ],
)
def test_a_logouts_words(text, logging_on, running):
    assert end_of_logout(text, while_logging_on=True) is logging_on
    assert end_of_logout(text, while_logging_on=False) is running
