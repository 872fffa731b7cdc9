"""The topic `kill:<account>`: the kill switch of the account's desk, for every page.

Frame (whole): `file` (true: a kill that the database has not taken yet holds back every order of this machine) and
`run` null | {"id", "why", "by", "at_ms", "origin", "passes", "looked_ms", "clean_ms" (null: something is left, or not
known), "unresolved" (sends without an outcome), "accounts": [{"id", "name", "environment", "orders", "quotes", "rfqs"
(null: could not be read), "groups", "problems": [text], "ended": {kind: count}}]}.
"""

from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.core.timestamps import to_unix_ms
from apps.core.topics import TopicName
from apps.exchange import live
from apps.monitoring.models import KillRun
from apps.orders import killed

_FIGURES = ("name", "environment", "orders", "quotes", "rfqs", "groups", "problems", "ended")


def kill_frame(desk_id: int) -> dict[str, Any]:
    rows = KillRun.objects.filter(desk_id=desk_id, pause__released_at=None).select_related("pause__set_by")
    run = rows.order_by("-pk").first()
    return {"file": killed.is_set(), "run": None if run is None else run_row(run)}


def run_row(run: KillRun) -> dict[str, Any]:
    person = run.pause.set_by
    return {
        "id": run.pk,
        "why": run.pause.why,
        "by": run.by_text or person.display_name or person.get_username(),
        "at_ms": to_unix_ms(run.pause.set_at),
        "origin": run.origin,
        "passes": run.passes,
        "looked_ms": None if run.looked_at is None else to_unix_ms(run.looked_at),
        "clean_ms": None if run.clean_at is None else to_unix_ms(run.clean_at),
        "unresolved": run.report.get("desk", {}).get("unresolved", 0),
        "accounts": [
            {"id": int(key), **{name: row.get(name) for name in _FIGURES}}
            for key, row in sorted(run.report.items())
            if key != "desk"
        ],
    }


def kill_state(topic: TopicName) -> dict[str, Any] | None:
    desk_id = ExchangeAccount.objects.filter(pk=int(topic.scope)).values_list("desk_id", flat=True).first()
    return None if desk_id is None else kill_frame(desk_id)


def kill_publish(desk_id: int) -> None:
    """Publish after the commit, as it is then, to every account of the desk."""
    for account_id in ExchangeAccount.objects.filter(desk_id=desk_id, is_active=True).values_list("pk", flat=True):
        topic = str(TopicName("kill", str(account_id)))
        live.publish_on_commit(topic, lambda: kill_frame(desk_id))
