"""One look at everything that rules ask for. Run by a task every two seconds; any number may run at once.

A cursor moves in the transaction that tells, and only from where it was read: who comes second changes nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby

from django.db import transaction

from apps.audit.models import AuditEntry
from apps.core.timestamps import utc_now
from apps.monitoring.alerts import rows, trail, watch
from apps.monitoring.alerts.matching import Happening
from apps.monitoring.alerts.models import Alert, AlertCursor, AlertRule
from apps.monitoring.alerts.telling import (
    alerts_escalate,
    happenings_tell,
    rules_in_force,
    subjects_resolve,
    windows_close,
)

logger = logging.getLogger(__name__)

Rules = dict[int, list[AlertRule]]
STEPS_AT_MOST = 20


class _Overtaken(Exception):
    """Another look moved the cursor meanwhile."""


def look(*, now: datetime | None = None) -> None:
    """Tell what was committed since the last look, what was gathered, and again what nobody acknowledged."""
    now = now or utc_now()
    rules = _rules()
    for desk_id, own in rules.items():
        _apart(partial(_until_done, partial(_look_trail, desk_id, own, now)))
    for source in rows.SOURCES:
        _apart(partial(_until_done, partial(_look_rows, source, rules, now)))
    _apart(partial(_close_windows, now))
    _apart(partial(alerts_escalate, now=now))


def _apart(part: Callable[[], object]) -> None:
    """Do one part of a look. What cannot be read of one desk or source keeps no other waiting, and is tried again."""
    try:
        part()
    except Exception:
        logger.exception("a part of the alerts could not be looked at")


def _until_done(step: Callable[[], bool]) -> None:
    """Go on while there is more, one small transaction after the other; the rest is for the next look."""
    for _ in range(STEPS_AT_MOST):
        if not step():
            return


def _close_windows(now: datetime) -> None:
    if Alert.objects.filter(window_ends_at__lte=now).exists():
        with transaction.atomic():
            windows_close(now=now)


def cursors_begin(desk_id: int) -> None:
    """What happens from now on is told. Called with the first rule of a desk, inside its transaction."""
    AlertCursor.objects.update_or_create(name=f"trail:{desk_id}", defaults={"position": _trail_end(desk_id)})
    for source in rows.SOURCES:
        _begin(source.name, source.newest())


def look_states(*, now: datetime | None = None) -> None:
    """Look at states (health, limits, differences): every ten seconds, they cost more."""
    now = now or utc_now()
    for desk_id, own in _rules().items():
        kinds = _asked(own) & watch.KINDS
        looked = watch.states_read(desk_id, kinds, now=now)
        if watch.is_news(desk_id, looked):
            with transaction.atomic():
                _tell(desk_id, watch.changes(desk_id, looked, now=now), own, now)


def _rules() -> Rules:
    found: Rules = defaultdict(list)
    for rule in rules_in_force():
        found[rule.desk_id].append(rule)
    return found


def _asked(rules: Iterable[AlertRule]) -> set[str]:
    return {kind for rule in rules for kind in rule.kinds}


def _look_trail(desk_id: int, rules: Sequence[AlertRule], now: datetime) -> bool:
    """Return whether there may be more."""
    name = f"trail:{desk_id}"
    position = _position(name)
    if position is None:
        _begin(name, _trail_end(desk_id))
        return False
    entries = trail.trail_entries(desk_id, position)
    if not entries:
        return False
    found = [one for entry in entries for one in trail.found_in(entry)]
    try:
        with transaction.atomic():
            _advance(name, position, entries[-1].sequence)
            _tell(desk_id, found, rules, now)
    except _Overtaken:
        return False
    return len(entries) == trail.AT_ONCE


def _look_rows(source: rows.Source, rules: Rules, now: datetime) -> bool:
    """Return whether there may be more."""
    position = _position(source.name)
    if position is None:
        if any(_asked(own) & source.kinds for own in rules.values()):
            _begin(source.name, source.newest())
        return False
    found = source.after(position)
    top = max((row.pk for row in found), default=position)
    by_desk: dict[int, list[Happening]] = defaultdict(list)
    for desk_id, one in rows.happenings_of(source, found, now=now):
        if desk_id in rules:
            by_desk[desk_id].append(one)
    if top == position and not by_desk:
        return False
    try:
        with transaction.atomic():
            if top > position:
                _advance(source.name, position, top)
            for desk_id, happenings in by_desk.items():
                happenings_tell(desk_id, happenings, rules=rules[desk_id], now=now)
    except _Overtaken:
        return False
    return top > position and len(found) >= rows.AT_ONCE


def _tell(desk_id: int, found: Iterable[trail.Found], rules: Sequence[AlertRule], now: datetime) -> None:
    """In the order of what happened: bad and then well ends well."""
    for is_happening, group in groupby(found, key=lambda one: isinstance(one, Happening)):
        if is_happening:
            happenings_tell(desk_id, (one for one in group if isinstance(one, Happening)), rules=rules, now=now)
        else:
            subjects = [one.subject for one in group]
            subjects_resolve(desk_id, subjects, now=now)


def _trail_end(desk_id: int) -> int:
    newest = AuditEntry.objects.filter(desk_id=desk_id).order_by("-sequence").values_list("sequence", flat=True)
    return newest.first() or 0


def _position(name: str) -> int | None:
    return AlertCursor.objects.filter(name=name).values_list("position", flat=True).first()


def _begin(name: str, position: int) -> None:
    AlertCursor.objects.get_or_create(name=name, defaults={"position": position})


def _advance(name: str, seen: int, to: int) -> None:
    if not AlertCursor.objects.filter(name=name, position=seen).update(position=to):
        raise _Overtaken
