"""Live data of a milestone in the words and figures that its panel shows. Pure: free JSON in, bounded text out.

The exchange documents no fields of `details` ("a flexible object"). Names that are known become the score, the clock
and so on; every other scalar is listed under its own name, a list of objects becomes a table. Ids are left out. Nothing
here is ever HTML: the page writes it as text.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from apps.core.errors import WireFormatError
from apps.core.timestamps import from_unix_seconds
from apps.exchange.wire.free_json import LARGEST

Json = Mapping[str, Any]
Phase = Literal["before", "live", "over", ""]
FACTS, TABLES, ROWS, COLUMNS, PERIODS, PLAYS = 24, 3, 12, 6, 30, 300
TEXT = 160

TYPE_WORDS = {"fomc_meeting": "FOMC meeting", "one_off_milestone": "One-off occasion"}
_STATUS: dict[str, tuple[Phase, str]] = {
    "scheduled": ("before", "not begun"),
    "created": ("before", "not begun"),
    "pregame": ("before", "not begun"),
    "upcoming": ("before", "not begun"),
    "delayed": ("before", "delayed"),
    "postponed": ("before", "postponed"),
    "live": ("live", "live"),
    "inprogress": ("live", "live"),
    "ongoing": ("live", "live"),
    "started": ("live", "live"),
    "halftime": ("live", "half time"),
    "intermission": ("live", "break"),
    "break": ("live", "break"),
    "suspended": ("live", "suspended"),
    "interrupted": ("live", "interrupted"),
    "ended": ("over", "ended"),
    "complete": ("over", "ended"),
    "completed": ("over", "ended"),
    "finished": ("over", "ended"),
    "closed": ("over", "final"),
    "final": ("over", "final"),
    "called": ("over", "called"),
    "abandoned": ("over", "abandoned"),
    "cancelled": ("over", "cancelled"),
    "canceled": ("over", "cancelled"),
}
# (a part of the type, what a period is called, how many there are before overtime; 0: no overtime)
_PERIOD_NAMES = (
    ("basketball", "Quarter", 4),
    ("football", "Quarter", 4),
    ("hockey", "Period", 3),
    ("soccer", "Half", 2),
    ("baseball", "Inning", 0),
    ("cricket", "Innings", 0),
    ("tennis", "Set", 0),
    ("golf", "Round", 0),
    ("boxing", "Round", 0),
    ("mma", "Round", 0),
    ("ufc", "Round", 0),
    ("esport", "Map", 0),
    ("league_of_legends", "Map", 0),
    ("counter_strike", "Map", 0),
    ("dota", "Map", 0),
    ("valorant", "Map", 0),
)
_POINTS = ("points", "score", "runs", "goals", "sets", "maps", "total")
_NAMES = ("team_name", "name", "player_name", "competitor_name", "team", "player")
_ALIASES = {
    "status": ("status", "game_status", "match_status", "state"),
    "period": ("period", "quarter", "inning", "half", "set", "round", "map", "current_period"),
    "clock": ("clock", "game_clock", "time_remaining", "time_left", "minute"),
    "possession": ("possession", "possession_team_id", "possession_team", "serving", "server"),
    "last": ("last_play", "last_event", "last_action"),
    "source": ("updated_ts", "last_updated_ts", "update_ts"),
}
_SHORT_FORMS = {"id": "", "ts": "time", "pct": "%", "avg": "average", "num": "number"}


def type_words(kind: str) -> str:
    """ "basketball_game" -> "Basketball game"."""
    words = " ".join(kind.replace("-", "_").split("_")).strip()
    return TYPE_WORDS.get(kind) or (words[:1].upper() + words[1:])[:TEXT]


def is_game(kind: str, details: Json) -> bool:
    """Whether two sides play it."""
    return any(_first(details, _sided(side, _NAMES))[1] for side in ("home", "away"))


def live_frame(kind: str, details: Json, *, about: Json) -> dict[str, Any]:
    """Return what the panel shows of live data. about: the details of the milestone itself, which names the sides.

    sides: [{"name", "score", "has_ball"}] home first, or empty; periods: [[name, home, away]]; facts: [[name, value]];
    tables: [{"name", "columns", "rows"}]; is_cut: something more was sent than is shown; source_ms: when its source
    says it changed, Unix ms or null.
    """
    used: set[str] = set()

    def take(role: str) -> Any:
        name, value = _first(details, _ALIASES[role])
        used.add(name)
        return value

    phase, status = _status(take("status"))
    sides = _sides(details, about, used)
    possession = take("possession")
    for side, one in zip(("home", "away"), sides, strict=False):
        ids = {side, one["name"], *(details.get(f"{side}_{word}") or about.get(f"{side}_{word}") for word in _ID_WORDS)}
        one["has_ball"] = possession in ids - {None, ""}
    periods = _periods(kind, details, used)
    period, clock = _period(kind, take("period")), figure_text(take("clock"))
    last = take("last")
    source = take("source")
    rest = {name: value for name, value in details.items() if name not in used and about.get(name) != value}
    facts, has_cut = _facts(rest)
    tables, has_more = _tables(rest)
    return {
        "phase": phase,
        "status": status,
        "sides": sides,
        "period": period,
        "clock": clock,
        "periods": periods,
        "last": figure_text(last.get("description") if isinstance(last, dict) else last),
        "facts": facts,
        "tables": tables,
        "is_cut": has_cut or has_more,
        "source_ms": source * 1000 if isinstance(source, int) and 0 < source < 10**11 else None,
    }


def plays_of(kind: str, periods: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the newest plays first, at most PLAYS: {"period", "clock", "text", "home", "away"}, all text."""
    found = []
    for number, period in enumerate(periods, start=1):
        events = period.get("events") if isinstance(period, dict) else None
        for event in events if isinstance(events, list) else []:
            if not isinstance(event, dict):
                continue
            text = figure_text(_first(event, ("description", "text", "event_type", "type"))[1])
            found.append(
                {
                    "period": _period(kind, number),
                    "clock": figure_text(_first(event, _ALIASES["clock"])[1]),
                    "text": text,
                    "home": figure_text(_first(event, _sided("home", _POINTS))[1]),
                    "away": figure_text(_first(event, _sided("away", _POINTS))[1]),
                }
            )
    return found[::-1][:PLAYS]


_ID_WORDS = ("team_id", "id", "player_id", "competitor_id")


def _sided(side: str, words: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{side}_{word}" for word in words)


def _first(details: Json, names: Iterable[str]) -> tuple[str, Any]:
    """Return name and value of the first of these that is there and not null; ("", None) without one."""
    return next(((name, details[name]) for name in names if details.get(name) is not None), ("", None))


def _status(raw: Any) -> tuple[Phase, str]:
    word = str(raw).casefold().replace("_", "").replace("-", "").replace(" ", "") if isinstance(raw, str) else ""
    return _STATUS.get(word, ("", figure_text(raw).replace("_", " ")))


def _sides(details: Json, about: Json, used: set[str]) -> list[dict[str, Any]]:
    found = []
    for side in ("home", "away"):
        name_field, name = _first(details, _sided(side, _NAMES))
        if not name:
            _, name = _first(about, _sided(side, _NAMES))
        points_field, points = _first(details, _sided(side, _POINTS))
        if not name and points is None:
            return []
        used |= {name_field, points_field}
        found.append({"name": figure_text(name) or side.capitalize(), "score": figure_text(points), "has_ball": False})
    return found


def _period(kind: str, raw: Any) -> str:
    """3 of a basketball game -> "Quarter 3", 5 -> "Overtime"; words stay as they came."""
    if not isinstance(raw, int) or isinstance(raw, bool):
        return figure_text(raw)
    if raw <= 0:
        return ""
    name, regular = next(((name, most) for part, name, most in _PERIOD_NAMES if part in kind), ("Period", 0))
    if regular and raw > regular:
        return "Overtime" if raw == regular + 1 else f"Overtime {raw - regular}"
    return f"{name} {raw}"


def _periods(kind: str, details: Json, used: set[str]) -> list[list[str]]:
    """Scores by period: a list of objects with both sides, or two lists of one length."""
    for name, value in details.items():
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            pairs = [[_first(one, ("home", *_sided("home", _POINTS)))[1] for one in value],
                     [_first(one, ("away", *_sided("away", _POINTS)))[1] for one in value]]  # fmt: skip
            if all(one is not None and not isinstance(one, dict | list) for pair in pairs for one in pair):
                used.add(name)
                return _by_period(kind, *pairs)
        other = f"away_{name[5:]}"
        theirs = details.get(other)
        if not name.startswith("home_") or not isinstance(theirs, list) or not _is_scalars(theirs):
            continue
        if _is_scalars(value) and len(value) == len(theirs):
            used |= {name, other}
            return _by_period(kind, value, theirs)
    return []


def _by_period(kind: str, home: list[Any], away: list[Any]) -> list[list[str]]:
    pairs = list(zip(home, away, strict=True))[:PERIODS]
    return [
        [_period(kind, number), figure_text(ours), figure_text(theirs)]
        for number, (ours, theirs) in enumerate(pairs, 1)
    ]


def _is_scalars(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and not any(isinstance(one, dict | list | None) for one in value)


def _facts(rest: Json) -> tuple[list[list[str]], bool]:
    """Scalars under their own names; of an object its scalars, under both names."""
    found: list[list[str]] = []
    for name, value in rest.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for part, one in inner:
            if _is_id(part or name) or isinstance(one, dict | list) or one is None or one == "":
                continue
            found.append([label(f"{name}_{part}" if part else name), _value(part or name, one)])
    return found[:FACTS], len(found) > FACTS


def _tables(rest: Json) -> tuple[list[dict[str, Any]], bool]:
    """Lists of objects, of the object itself or one below: a leaderboard, candidates, players of each side."""
    lists = list(rest.items())
    for name, value in rest.items():
        if isinstance(value, dict):
            lists += [(f"{name}_{part}", one) for part, one in value.items()]
    found, has_cut = [], False
    for name, value in lists:
        if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
            continue
        plain = {
            part: None
            for one in value
            for part, cell in one.items()
            if not _is_id(part) and not isinstance(cell, dict | list)
        }
        columns = list(plain)[:COLUMNS]
        if not columns:
            continue
        rows = [[_value(part, one.get(part)) for part in columns] for one in value[:ROWS]]
        has_cut = has_cut or len(value) > ROWS or len(plain) > COLUMNS
        found.append({"name": label(name), "columns": [label(part) for part in columns], "rows": rows})
    return found[:TABLES], has_cut or len(found) > TABLES


def label(name: str) -> str:
    """ "home_win_pct" -> "Home win %"."""
    words = [_SHORT_FORMS.get(word, word) for word in name.replace("-", "_").split("_")]
    text = " ".join(word for word in words if word)
    return (text[:1].upper() + text[1:])[:TEXT]


def _is_id(name: str) -> bool:
    return name in ("id", "ids", "uuid") or name.endswith(("_id", "_ids", "_uuid"))


def _value(name: str, value: Any) -> str:
    if name.endswith("_ts") and isinstance(value, int) and not isinstance(value, bool) and 10**8 < value < 10**11:
        try:
            return from_unix_seconds(value).strftime("%d %b %Y %H:%M UTC").lstrip("0")
        except WireFormatError:
            pass
    return figure_text(value)


def figure_text(value: Any) -> str:
    """A scalar as text; empty for everything else."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() if abs(value) <= LARGEST:  # not a number fails this, too
            return f"{value:.12g}" if isinstance(value, float) else str(value)
        case str():
            return " ".join(value.encode(errors="replace").decode().replace("\x00", "").split())[:TEXT]
    return ""
