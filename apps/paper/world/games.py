"""Games as they go: the score by the exchange's clock, and the plays so far.

A game follows from its event alone: whoever asks at the same moment sees the same score, before and after a restart.
It stays close to the end; how it ends is decided when the market has its result, so that no score contradicts it.
"""

from dataclasses import dataclass
from random import Random
from typing import Literal

from apps.paper.world.entities import TIE, roster
from apps.paper.world.milestones import Milestone

GameStatus = Literal["scheduled", "inprogress", "ended", "final", "abandoned"]
Side = Literal["home", "away"]
SIDES: tuple[Side, Side] = ("home", "away")
DECIDED = ("determined", "disputed", "amended", "finalized")


@dataclass(frozen=True, slots=True)
class Rules:
    """periods of `minutes` each. scores: how many plays score in a game. points: what a play may bring.

    reach: from how far behind a side may still come level at the end.
    """

    periods: int
    minutes: int
    scores: int
    points: tuple[int, ...]
    reach: int


RULES = {
    "basketball_game": Rules(periods=4, minutes=12, scores=120, points=(2, 2, 2, 3, 3, 1), reach=3),
    "soccer_tournament_multi_leg": Rules(periods=2, minutes=45, scores=3, points=(1,), reach=1),
}


@dataclass(frozen=True, slots=True)
class Play:
    """One score. second: of the game's own clock, from its beginning. home, away: the score after it."""

    at_ms: int
    period: int
    second: int
    side: Side
    points: int
    player: int
    home: int
    away: int


@dataclass(frozen=True, slots=True)
class Game:
    """A game at one moment. second: of the game's own clock. plays: so far, oldest first."""

    status: GameStatus
    period: int
    second: int
    home: int
    away: int
    plays: list[Play]


def rules_of(milestone: Milestone) -> Rules | None:
    """None for what is no game."""
    return RULES.get(milestone.template.milestone) if milestone.sides else None


def game_at(milestone: Milestone, *, now_ms: int) -> Game:
    """The game of a milestone (which must be one, see `rules_of`) at a moment."""
    rules = RULES[milestone.template.milestone]
    length = rules.periods * rules.minutes * 60
    end_ms = milestone.end_ms or milestone.start_ms
    if now_ms < milestone.start_ms:
        return Game("scheduled", 0, 0, 0, 0, [])
    plays = [play for play in _plays(milestone, rules) if play.at_ms <= now_ms]
    status: GameStatus = "inprogress"
    second = (now_ms - milestone.start_ms) * length // max(1, end_ms - milestone.start_ms)
    if now_ms >= end_ms:
        second = length
        status, last = _ending(milestone, rules, plays)
        plays += last
    home, away = (plays[-1].home, plays[-1].away) if plays else (0, 0)
    return Game(status, min(rules.periods, second // (rules.minutes * 60) + 1), second, home, away, plays)


def _plays(milestone: Milestone, rules: Rules) -> list[Play]:
    """All plays of regular time. A side that is far behind catches up before the end."""
    random = Random(f"game:{milestone.event.ticker}")
    length = rules.periods * rules.minutes * 60
    span = (milestone.end_ms or milestone.start_ms) - milestone.start_ms
    count = max(rules.reach, round(random.gauss(rules.scores, rules.scores**0.5)))
    plays: list[Play] = []
    home = away = 0
    for index, second in enumerate(sorted(random.randrange(1, length) for _ in range(count))):
        points = random.choice(rules.points)
        left = (count - index - 1) * max(rules.points)
        behind: Side = "home" if home < away else "away"
        if abs(home - away) + points > rules.reach + left // 2:
            side, points = behind, min(points, max(1, abs(home - away)))
        else:
            side = random.choice((*SIDES, behind))
        home, away = home + points * (side == "home"), away + points * (side == "away")
        period = second // (rules.minutes * 60) + 1
        at_ms = milestone.start_ms + second * span // length
        plays.append(Play(at_ms, period, second, side, points, random.randrange(5), home, away))
    return plays


def _ending(milestone: Milestone, rules: Rules, plays: list[Play]) -> tuple[GameStatus, list[Play]]:
    """How it ends, and the plays of the last moment that make it so."""
    markets = milestone.markets
    if not all(market.status in DECIDED for market in markets):
        return "ended", []
    winners = [market for market in markets if market.result == "yes"]
    if len(winners) != 1:
        return "abandoned", []
    home, away = (plays[-1].home, plays[-1].away) if plays else (0, 0)
    if winners[0].ticker.endswith(f"-{TIE}"):
        side: Side = "home" if home < away else "away"
        points = abs(home - away)
    else:
        side = "home" if winners[0].yes_sub_title == (milestone.sides or ("", ""))[0] else "away"
        lead = (home - away) * (1 if side == "home" else -1)
        points = 0 if lead > 0 else 1 - lead
    last: list[Play] = []
    while points:
        taken = min(points, max(rules.points))
        points -= taken
        home, away = home + taken * (side == "home"), away + taken * (side == "away")
        second = rules.periods * rules.minutes * 60
        last.append(Play(milestone.end_ms or 0, rules.periods, second, side, taken, len(last) % 5, home, away))
    return "final", last


# What REST shows of it. Fields vary by type in production too ("live data details as a flexible object").


def live_details(milestone: Milestone, game: Game, *, now_ms: int, with_players: bool) -> dict[str, object]:
    """The details of live data; players only where they are known and asked for."""
    details: dict[str, object] = {
        **milestone.details,
        "status": game.status,
        "period": game.period,
        "clock": clock_text(milestone, game),
        "home_points": game.home,
        "away_points": game.away,
        "period_scores": period_scores(game),
        "last_play": play_details(milestone, game.plays[-1]) if game.plays else None,
        "updated_ts": now_ms // 1000,
    }
    if with_players and milestone.template.players:
        details["player_stats"] = _player_stats(milestone, game)
    return details


def period_scores(game: Game) -> list[dict[str, object]]:
    """What each side scored in each period that has begun."""
    found: list[dict[str, object]] = []
    for number in range(1, game.period + 1):
        sums = {side: sum(p.points for p in game.plays if (p.period, p.side) == (number, side)) for side in SIDES}
        found.append({"period": number, "home_points": sums["home"], "away_points": sums["away"]})
    return found


def clock_text(milestone: Milestone, game: Game) -> str:
    """What is left of the period, minutes and seconds."""
    rules = RULES[milestone.template.milestone]
    left = max(0, game.period * rules.minutes * 60 - game.second) if game.period else rules.minutes * 60
    return f"{left // 60}:{left % 60:02d}"


def play_details(milestone: Milestone, play: Play) -> dict[str, object]:
    """One play as REST tells it."""
    rules = RULES[milestone.template.milestone]
    left = max(0, play.period * rules.minutes * 60 - play.second)
    team = (milestone.sides or ("", ""))[SIDES.index(play.side)]
    scorer = roster(milestone.template, team)[play.player].name if milestone.template.players else team
    return {
        "clock": f"{left // 60}:{left % 60:02d}",
        "event_type": "score",
        "attribution": play.side,
        "description": f"{scorer} ({team}) scores {play.points}" if scorer != team else f"{team} score",
        "points": play.points,
        "home_points": play.home,
        "away_points": play.away,
        "wall_clock_ts": play.at_ms // 1000,
    }


def play_by_play(milestone: Milestone, game: Game) -> dict[str, object]:
    """All plays so far, by period."""
    periods = [
        {"events": [play_details(milestone, play) for play in game.plays if play.period == number]}
        for number in range(1, game.period + 1)
    ]
    return {"periods": periods}


def _player_stats(milestone: Milestone, game: Game) -> dict[str, object]:
    stats: dict[str, object] = {}
    for side, team in zip(SIDES, milestone.sides or (), strict=True):
        stats[side] = [
            {
                "player_id": player.target_id,
                "name": player.name,
                "points": sum(p.points for p in game.plays if p.side == side and p.player == number),
            }
            for number, player in enumerate(roster(milestone.template, team))
        ]
    return stats
