"""Structured targets: the teams, players, parties, films and companies that markets and milestones point at.

They follow from the templates alone, so an id means the same in every run (docs: targets_and_milestones).
"""

from dataclasses import dataclass, field
from functools import cache
from uuid import NAMESPACE_URL, uuid5

from apps.paper.world.templates import TEMPLATES, Template

TIE = "TIE"  # code of the outcome that is no entity
PLAYERS_PER_TEAM = 5
POSITIONS = ("Guard", "Guard", "Forward", "Forward", "Center")
GIVEN_NAMES = ("Adam", "Bruno", "Cole", "Dario", "Emil", "Felix", "Gus", "Hugo", "Ivo", "Jonas", "Karim")
FAMILY_NAMES = ("Abbott", "Brandt", "Castro", "Dunn", "Ekström", "Fofana", "Grieg", "Haas", "Idowu", "Juric", "Keller")


@dataclass(frozen=True, slots=True)
class StructuredTarget:
    """One entity. details: by its type; `source_id` is the name that an outside source would give it."""

    target_id: str
    name: str
    type: str
    source_id: str
    details: dict[str, object] = field(default_factory=dict)

    @property
    def competitions(self) -> set[str]:
        """What the `competition` filter looks at."""
        words = ("league", "conference", "division", "tour")
        return {str(self.details[word]) for word in words if word in self.details}


def target_id(kind: str, name: str) -> str:
    """The id of an entity: same type and name, same id."""
    return str(uuid5(NAMESPACE_URL, f"paper-exchange/targets/{kind}/{name}"))


@cache
def structured_targets() -> dict[str, StructuredTarget]:
    """All entities by id, in the order of the templates."""
    found: dict[str, StructuredTarget] = {}
    for template in TEMPLATES:
        if not template.target:
            continue
        for code, name, _ in template.names:
            if code == TIE:
                continue
            team = _entity(template, code, name)
            found.setdefault(team.target_id, team)
            if template.players:
                found |= {player.target_id: player for player in roster(template, name)}
    return found


def roster(template: Template, team: str) -> list[StructuredTarget]:
    """The players of a team."""
    kind = template.players
    start = sum(team.encode())
    players = []
    for number in range(PLAYERS_PER_TEAM):
        given = GIVEN_NAMES[(start + 3 * number) % len(GIVEN_NAMES)]
        family = FAMILY_NAMES[(start // 3 + 2 * number) % len(FAMILY_NAMES)]
        name = f"{given} {family}"
        details: dict[str, object] = {
            "team_id": target_id(template.target, team),
            "league": template.metadata.get("competition", ""),
            "position": POSITIONS[number],
            "jersey_number": str((start + 7 * number) % 40),
        }
        identity = target_id(kind, f"{team}/{number}")
        players.append(StructuredTarget(identity, name, kind, f"paper:{kind}:{team}:{number}", details))
    return players


def _entity(template: Template, code: str, name: str) -> StructuredTarget:
    details: dict[str, object] = {"abbreviation": code, "short_name": name}
    if "competition" in template.metadata:
        details["league"] = template.metadata["competition"]
    identity = target_id(template.target, name)
    return StructuredTarget(identity, name, template.target, f"paper:{template.target}:{code}", details)
