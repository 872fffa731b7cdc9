"""The series of the world, as data. Figures are plausible, not real; names of teams are cities, films are invented."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

HOUR = 1
DAY = 24
WEEK = 7 * DAY
MONTH = 30 * DAY

Kind = Literal["above", "bands", "race", "single"]


@dataclass(frozen=True, slots=True)
class Template:
    """A series and how its events look.

    kind: above (a ladder of "more than X" markets), bands (exclusive ranges of one number), race (exclusive names),
    single (one yes/no market). `center`, `spread`, `step` describe the number; `names` the outcomes: a race uses all
    of them, or `per_event` of them chosen anew for each event. `every_hours` is the distance between events, of which
    there are `events` in the default world; one-off series have `repeats` off and never get more.

    target: type of the entities that `names` are. milestone: type of the occurrence that an event is about, `related`
    the series that are about the same one. game_minutes: how long before its close a game begins; 0 is no game.
    players: type of the entities that play it. fee_changes: (days from the start of the world, type, multiplier).
    """

    ticker: str
    title: str
    category: str
    kind: Kind
    question: str
    rule: str
    source: tuple[str, str]
    date_code: Literal["year", "month", "day", "hour"]
    every_hours: int
    events: int = 1
    repeats: bool = True
    tags: tuple[str, ...] = ()
    frequency: str = "custom"
    structure: str = "linear_cent"
    fee_type: str = "quadratic"
    multiplier: str = "1"
    markets: int = 6
    center: float = 0.0
    spread: float = 1.0
    step: Decimal = Decimal(1)
    unit: str = ""
    names: tuple[tuple[str, str, float], ...] = ()  # (code, name, weight)
    per_event: int = 0
    others: float = 0.0
    chance: float = 0.5
    volatility: float = 0.05
    popularity: int = 3
    settlement_timer_seconds: int = 3600
    metadata: dict[str, object] = field(default_factory=dict)
    target: str = ""
    milestone: str = ""
    related: tuple[str, ...] = ()
    game_minutes: int = 0
    players: str = ""
    fee_changes: tuple[tuple[int, str, str], ...] = ()


_CITIES = (
    ("BOS", "Boston", 1.3),
    ("NYK", "New York", 1.2),
    ("CHI", "Chicago", 0.9),
    ("DEN", "Denver", 1.4),
    ("MIA", "Miami", 1.0),
    ("LAL", "Los Angeles", 1.1),
    ("DAL", "Dallas", 1.0),
    ("PHX", "Phoenix", 0.9),
    ("SEA", "Seattle", 0.8),
    ("PHI", "Philadelphia", 1.1),
    ("ATL", "Atlanta", 0.8),
    ("DET", "Detroit", 1.0),
)
_CLUBS = (
    ("HARB", "Harbor", 1.2),
    ("RIVR", "Riverside", 1.1),
    ("HILL", "Hilltop", 1.0),
    ("MILL", "Old Mill", 0.9),
    ("BRDG", "Bridgeport", 1.0),
    ("ORCH", "Orchard", 0.8),
)

TEMPLATES: tuple[Template, ...] = (
    Template(
        "KXFED", "Fed funds rate", "Economics", "above",
        "Will the upper bound of the federal funds rate be above {strike} after the {date} meeting?",
        "If the upper bound of the federal funds target range is strictly above {strike} following the meeting of "
        "{date}, then the market resolves to Yes.",
        ("Federal Reserve", "https://www.federalreserve.gov/"), "month", MONTH, events=2, tags=("Fed",),
        frequency="monthly", fee_type="quadratic_with_maker_fees", markets=6, center=3.9, spread=0.3,
        step=Decimal("0.25"), unit="%", volatility=0.03, popularity=9,
        milestone="fomc_meeting",
    ),
    Template(
        "KXCPIYOY", "Inflation", "Economics", "above",
        "Will inflation over the year to {date} be above {strike}?",
        "If the Consumer Price Index rises by more than {strike} over the twelve months to {date}, then the market "
        "resolves to Yes.",
        ("Bureau of Labor Statistics", "https://www.bls.gov/"), "month", MONTH, tags=("Inflation",),
        frequency="monthly", markets=6, center=2.9, spread=0.2, step=Decimal("0.1"), unit="%", popularity=6,
        milestone="one_off_milestone", related=("KXFED",),
    ),
    Template(
        "KXGDPNOM", "Economic growth", "Economics", "above",
        "Will GDP growth announced in {date} be above {strike}?",
        "If real GDP growth in the advance estimate of {date} is above {strike}, then the market resolves to Yes.",
        ("Bureau of Economic Analysis", "https://www.bea.gov/"), "month", 3 * MONTH, tags=("Growth",),
        frequency="quarterly", structure="tapered_deci_cent", markets=5, center=2.2, spread=0.8,
        step=Decimal("0.5"), unit="%", popularity=3,
    ),
    Template(
        "KXHIGHNY", "Highest temperature in NYC", "Climate and Weather", "bands",
        "Will the high temperature in NYC be {strike} on {date}?",
        "If the highest temperature recorded in Central Park, New York on {date} is {strike}, then the market "
        "resolves to Yes.",
        ("National Weather Service", "https://www.weather.gov/"), "day", DAY, events=2, tags=("Daily temperature",),
        frequency="daily", markets=6, center=54, spread=3.2, step=Decimal(2), unit="°", volatility=0.08, popularity=8,
    ),
    Template(
        "KXRAINNYC", "Rain in NYC", "Climate and Weather", "single",
        "Will it rain in NYC on {date}?",
        "If more than zero precipitation is recorded in Central Park, New York on {date}, then the market resolves "
        "to Yes.",
        ("National Weather Service", "https://www.weather.gov/"), "day", DAY, events=3, tags=("Rain",),
        frequency="daily", chance=0.35, volatility=0.06, popularity=3,
    ),
    Template(
        "KXBTCD", "Bitcoin price", "Crypto", "above",
        "Will Bitcoin be above {strike} on {date}?",
        "If the simple average of the Bitcoin index over the last minute before {date} is above {strike}, then the "
        "market resolves to Yes.",
        ("CF Benchmarks", "https://www.cfbenchmarks.com/"), "hour", DAY, events=1, tags=("BTC",), frequency="hourly",
        markets=8, center=92_000, spread=2_400, step=Decimal(1_000), unit="$", volatility=0.08, popularity=10,
        settlement_timer_seconds=60,
    ),
    Template(
        "KXETHH", "Ethereum up this hour", "Crypto", "single",
        "Will Ethereum be higher at {date} than an hour before?",
        "If the Ethereum index at {date} is higher than one hour before, then the market resolves to Yes.",
        ("CF Benchmarks", "https://www.cfbenchmarks.com/"), "hour", HOUR, events=3, tags=("ETH",),
        frequency="hourly", multiplier="0", chance=0.5, volatility=0.1, popularity=4, settlement_timer_seconds=60,
    ),
    Template(
        "KXINX", "S&P 500 close", "Financials", "bands",
        "Will the S&P 500 close {strike} on {date}?",
        "If the closing value of the S&P 500 on {date} is {strike}, then the market resolves to Yes.",
        ("Standard & Poor's", "https://www.spglobal.com/"), "day", DAY, events=1, tags=("S&P",), frequency="daily",
        multiplier="0.5", markets=7, center=6_900, spread=45, step=Decimal(25), volatility=0.07, popularity=8,
    ),
    Template(
        "KXPRESPARTY", "Party to win the presidency", "Politics", "race",
        "Which party will win the presidential election of {date}?",
        "If a representative of {strike} is inaugurated following the election of {date}, then the market resolves "
        "to Yes.",
        ("The Library of Congress", "https://www.congress.gov/"), "year", 48 * MONTH, repeats=False,
        tags=("US elections",), frequency="custom", structure="deci_cent", markets=3, volatility=0.01, popularity=9,
        names=(("D", "Democratic party", 1.1), ("R", "Republican party", 1.0), ("I", "Independent", 0.03)),
        target="political_party", milestone="political_race",
    ),
    Template(
        "KXSHUTDOWN", "Government shutdown", "Politics", "single",
        "Will the government shut down in {date}?",
        "If a lapse of appropriations lasts a full day in {date}, then the market resolves to Yes.",
        ("Office of Personnel Management", "https://www.opm.gov/"), "month", MONTH, events=2, tags=("Congress",),
        frequency="monthly", structure="deci_cent", chance=0.12, volatility=0.03, popularity=5,
    ),
    Template(
        "KXNBAGAME", "Professional basketball game", "Sports", "race",
        "Who will win the game of {date}?",
        "If {strike} wins the game scheduled for {date}, then the market resolves to Yes.",
        ("The league", "https://www.nba.com/"), "day", DAY, events=4, tags=("Basketball",), frequency="custom",
        fee_type="quadratic_with_maker_fees", names=_CITIES, per_event=2, volatility=0.04, popularity=7,
        target="basketball_team", milestone="basketball_game", game_minutes=150, players="basketball_player",
        metadata={"competition": "Pro Basketball (M)", "competition_scope": "Game"},
    ),
    Template(
        "KXEPLGAME", "Football match", "Sports", "race",
        "Who will win the match of {date}?",
        "If {strike} is the result after regular time of the match on {date}, then the market resolves to Yes.",
        ("The league", "https://www.premierleague.com/"), "day", 2 * DAY, events=2, tags=("Soccer",),
        frequency="custom", per_event=3, volatility=0.04, popularity=5,
        names=(("LON", "London", 1.3), ("TIE", "Tie", 0.8), ("MAN", "Manchester", 1.2)),
        target="soccer_team", milestone="soccer_tournament_multi_leg", game_minutes=110,
        metadata={"competition": "EPL", "competition_scope": "Game"},
    ),
    Template(
        "KXSB", "Champion of the season", "Sports", "race",
        "Who will be the champion of {date}?",
        "If {strike} wins the championship game of {date}, then the market resolves to Yes.",
        ("The league", "https://www.nfl.com/"), "year", 3 * MONTH, repeats=False, tags=("Football",),
        frequency="annual", structure="tapered_deci_cent", fee_type="quadratic_with_maker_fees", others=2.0,
        popularity=7,
        target="football_team", metadata={"competition": "Pro Football", "competition_scope": "Futures"},
        names=tuple((code, name, weight**4) for code, name, weight in _CITIES[:8]),
    ),
    Template(
        "KXTOPFILM", "Best picture", "Culture", "race",
        "Which film will win best picture in {date}?",
        "If {strike} wins the award for best picture in {date}, then the market resolves to Yes.",
        ("The academy", "https://www.oscars.org/"), "year", 4 * MONTH, repeats=False, tags=("Awards",),
        frequency="annual", others=0.4, popularity=5, volatility=0.02, target="film",
        names=(
            ("LONG", "The Long Harbor", 2.4), ("SALT", "Salt and Paper", 1.3), ("NIGHT", "Night Ferry", 0.9),
            ("ORCH", "The Orchard Keepers", 0.6), ("MERID", "Meridian", 0.4), ("CLAY", "Clay", 0.2),
        ),
    ),
    Template(
        "KXEVSALES", "Electric cars delivered", "Companies", "above",
        "Will the largest maker deliver more than {strike} electric cars in the quarter to {date}?",
        "If deliveries announced for the quarter to {date} are above {strike}, then the market resolves to Yes.",
        ("Company announcement", "https://www.sec.gov/"), "month", 3 * MONTH, tags=("KPIs",), frequency="quarterly",
        markets=5, center=465_000, spread=22_000, step=Decimal(15_000), popularity=3,
        fee_type="quadratic_with_maker_fees", fee_changes=((-10, "quadratic", "1"),),
    ),
    Template(
        "KXTOPMODEL", "Best language model", "Science and Technology", "race",
        "Whose language model will lead the public ranking at the end of {date}?",
        "If a model of {strike} is first in the public text ranking at the end of {date}, then the market resolves "
        "to Yes.",
        ("The ranking", "https://lmarena.ai/"), "month", MONTH, events=2, tags=("AI",), frequency="monthly",
        others=0.05, popularity=6, volatility=0.04, target="company",
        names=(
            ("AX", "Company A", 1.6), ("BX", "Company B", 1.4), ("CX", "Company C", 0.8), ("DX", "Company D", 0.3),
            ("EX", "Company E", 0.12),
        ),
    ),
    Template(
        "KXGAS", "Gasoline price", "Transportation", "above",
        "Will the national average of gasoline be above {strike} on {date}?",
        "If the national average price of regular gasoline on {date} is above {strike}, then the market resolves "
        "to Yes.",
        ("AAA", "https://gasprices.aaa.com/"), "day", WEEK, events=1, tags=("Energy",), frequency="weekly", markets=5,
        center=3.08, spread=0.05, step=Decimal("0.03"), unit="$", popularity=3,
        fee_changes=((3, "quadratic_with_maker_fees", "1"),),
    ),
    Template(
        "KXICEEXT", "Arctic sea ice", "Climate and Weather", "above",
        "Will the Arctic sea ice extent of {date} be above {strike} million km²?",
        "If the mean extent published for {date} is above {strike} million square kilometers, then the market "
        "resolves to Yes.",
        ("NSIDC", "https://nsidc.org/"), "month", MONTH, tags=("Climate",), frequency="monthly",
        structure="deci_cent", markets=4, center=10.1, spread=0.25, step=Decimal("0.2"), volatility=0.02,
        popularity=2,
    ),
    Template(  # one begins and one ends each hour, so that there is always a game to look at
        "KXCITYBALL", "City league basketball game", "Sports", "race",
        "Who will win the city league game of {date}?",
        "If {strike} wins the city league game that ends at {date}, then the market resolves to Yes.",
        ("The city league", "https://example.com/city-league"), "hour", HOUR, events=3, tags=("Basketball",),
        frequency="hourly", names=_CLUBS, per_event=2, volatility=0.06, popularity=6, settlement_timer_seconds=60,
        target="basketball_team", milestone="basketball_game", game_minutes=120, players="basketball_player",
        metadata={"competition": "City League", "competition_scope": "Game"},
    ),
)  # fmt: skip
