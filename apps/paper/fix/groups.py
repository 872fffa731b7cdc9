"""Order groups: UOG, answered by UOH (docs: fix/order-groups)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.groups import MAX_LIMIT
from apps.paper.engine.units import CONTRACT
from apps.paper.fix.codec import Fields
from apps.paper.fix.fields import BadField, uuid_of
from apps.paper.fix.validation import Body

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.session import Session

CREATE, RESET, DELETE, TRIGGER, UPDATE = "12345"


class GroupEntry:
    """Create, reset, delete, trigger, update. Groups of a subaccount are managed with its AllocAccount only."""

    def __init__(self, gateway: "Gateway") -> None:
        self._exchange = gateway.exchange
        self.handlers: dict[str, Callable[[Session, Body], None]] = {"UOG": self._manage}

    def _manage(self, session: "Session", body: Body) -> None:
        action = body.text(20131)
        for tag, wanted in ((20130, action != CREATE), (20132, action in (CREATE, UPDATE))):
            if wanted and body.get(tag) is None:
                session.refuse(body, 5, f"Conditionally required field missing: {tag}")
                return
        try:
            group = uuid_of(body, 20130) if action != CREATE else ""
        except BadField as bad:
            session.reject(body.seq, body.msg_type, bad.reason, bad.tag, bad.text)
            return
        limit, account = body.whole(20132), body.whole(79) or 0
        try:
            group = self._do(session.user_id, action, group, limit, account)
        except ExchangeError as exc:
            is_unknown = exc.http_status == 404
            session.refuse(body, 1 if is_unknown else 0, "ORDER_GROUP_NOT_FOUND" if is_unknown else _text(exc))
            return
        fields: Fields = [(20130, group)]
        if session.is_margin:
            session.send("UOH", fields)
            return
        if action in (CREATE, UPDATE):
            fields.append((20132, str(limit)))
        session.send("UOH", [*fields, (79, str(account))])

    def _do(self, user_id: str, action: str, group: str, limit: int | None, account: int) -> str:
        exchange = self._exchange
        if limit is not None and not 1 <= limit <= MAX_LIMIT:
            raise ExchangeError("invalid_parameters", f"OrderGroupContractsLimit must be 1 to {MAX_LIMIT}")
        if action == CREATE:
            return exchange.create_group(user_id, limit=(limit or 0) * CONTRACT, subaccount=account).group_id
        exchange.group(user_id, group, subaccount=account)
        if action == RESET:
            exchange.reset_group(user_id, group, subaccount=account)
        elif action == DELETE:
            exchange.delete_group(user_id, group, subaccount=account)
        elif action == TRIGGER:
            exchange.trigger_group(user_id, group, subaccount=account)
        else:
            exchange.limit_group(user_id, group, limit=(limit or 0) * CONTRACT)
        return group


def _text(exc: ExchangeError) -> str:
    return exc.details or exc.message
