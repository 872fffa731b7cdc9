"""The live topics of the FIX page. Contract: docs/realtime.md.

`fix:<account>` (rows): `session:<id>` and `recovery:<id>`, rows of `apps.fix.console`.
`fixwall:<account>` (rows): execution reports of listener sessions, rows of `apps.fix.console_wall`, the newest only.
Both are made while somebody looks (`apps.fix.console_feed`).
"""

from typing import Any

from apps.core.topics import TopicName


def register() -> None:
    from apps.core import ports
    from apps.core.permissions import Permission

    for kind, state in (("fix", console_state), ("fixwall", wall_state)):
        topic = ports.Topic(kind, Permission.DESK_VIEW, scope="account", mode="rows", state=state, is_on_demand=True)
        ports.register_topic(topic)


# The engine's dictionary is loaded by whoever looks, not by every process.


def console_state(topic: TopicName) -> dict[str, Any]:
    from apps.exchange.live import next_version
    from apps.fix import console

    version, account_id = next_version(), int(topic.scope)
    rows = [*console.session_rows([account_id]).values(), *console.recovery_rows([account_id]).values()]
    return {"all": True, "rows": {row["key"]: row | {"v": version} for row in rows}}


def wall_state(topic: TopicName) -> dict[str, Any]:
    from apps.fix import console_wall

    return {"all": True, "rows": {str(row["id"]): row for row in console_wall.wall_rows(int(topic.scope))}}
