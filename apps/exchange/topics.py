"""The live topics of environments and accounts, and their present state. See docs/realtime.md."""

from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.core import ports
from apps.core.permissions import Permission, Within
from apps.core.topics import TopicName
from apps.exchange import selectors


def register() -> None:
    ports.register_topic(
        ports.Topic("status", Permission.MARKET_VIEW, scope="environment", mode="whole", state=status_state)
    )
    ports.register_topic(
        ports.Topic(
            "limits", Permission.DESK_VIEW, scope="account", mode="whole", state=limits_state, within=Within.ACCOUNT
        )
    )


def status_state(topic: TopicName) -> dict[str, Any] | None:
    return selectors.status_frame(topic.scope)


def limits_state(topic: TopicName) -> dict[str, Any] | None:
    account = ExchangeAccount.objects.filter(pk=int(topic.scope)).first() if topic.scope.isdecimal() else None
    return selectors.limits_frame(account) if account else None
