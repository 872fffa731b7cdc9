"""What there is to look for: structured targets, tags by category, filters by sport."""

from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.shapes import Json, time_text
from apps.paper.world.entities import StructuredTarget, structured_targets

SPORTS = "Sports"
FUTURES = "Futures"


def target_json(core: Core, target: StructuredTarget) -> Json:
    return {
        "id": target.target_id,
        "name": target.name,
        "type": target.type,
        "details": target.details,
        "source_id": target.source_id,
        "source_ids": {"paper": target.source_id},
        "last_updated_ts": time_text(min((series.updated_ms for series in core.catalogue.series_all()), default=0)),
    }


def targets_list(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=2000, name="page_size")
    ids, kind = params.texts(query, "ids", most=2000), params.text(query, "type")
    competition = params.text(query, "competition")
    rows = [
        target
        for target in structured_targets().values()
        if (not ids or target.target_id in ids)
        and kind in (None, target.type)
        and (competition is None or competition in target.competitions)
    ]
    shown, cursor = params.page_by_key(rows, query, size=size, key=_place)
    return Response.json({"structured_targets": [target_json(core, target) for target in shown], "cursor": cursor})


def _place(target: StructuredTarget) -> str:
    return target.target_id


def target_one(core: Core, call: Call) -> Response:
    target = structured_targets().get(call.path["structured_target_id"])
    if target is None:
        raise ApiError(404, "not_found", "structured target not found")
    return Response.json({"structured_target": target_json(core, target)})


def tags_by_categories(core: Core, call: Call) -> Response:
    found: dict[str, list[str]] = {}
    for series in core.catalogue.series_all():
        tags = found.setdefault(series.category, [])
        tags += [tag for tag in series.tags if tag not in tags]
    return Response.json({"tags_by_categories": {category: sorted(tags) for category, tags in sorted(found.items())}})


def filters_by_sport(core: Core, call: Call) -> Response:
    """A sport is the first tag of a series of the category Sports; the busiest one comes first."""
    sports: dict[str, dict[str, set[str]]] = {}
    volumes: dict[str, int] = {}
    for series in core.catalogue.series_all():
        if series.category != SPORTS or not series.tags:
            continue
        sport = series.tags[0]
        competition = str(series.product_metadata.get("competition", series.title))
        scope = str(series.product_metadata.get("competition_scope", FUTURES))
        sports.setdefault(sport, {}).setdefault(competition, set()).add(scope)
        volumes[sport] = volumes.get(sport, 0) + core.catalogue.series_volume(series.ticker)
    shapes = {
        sport: {
            "scopes": sorted(set().union(*competitions.values())),
            "competitions": {name: {"scopes": sorted(scopes)} for name, scopes in sorted(competitions.items())},
        }
        for sport, competitions in sports.items()
    }
    ordering = sorted(sports, key=lambda sport: (-volumes[sport], sport))
    return Response.json({"filters_by_sports": shapes, "sport_ordering": ordering})


OPERATIONS = [
    Operation("GET", "/structured_targets", targets_list, access="public"),
    Operation("GET", "/structured_targets/{structured_target_id}", target_one, access="public"),
    Operation("GET", "/search/tags_by_categories", tags_by_categories, access="public"),
    Operation("GET", "/search/filters_by_sport", filters_by_sport, access="public"),
]
