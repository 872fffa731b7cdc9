"""Which requests of others the rules ask for, as the gateway's stream watches them (`apps.rfq.services.watches`)."""

from collections import defaultdict
from collections.abc import Iterator

from apps.accounts.models import ExchangeAccount
from apps.monitoring.alerts.matching import tickers_of
from apps.monitoring.alerts.models import AlertRule
from apps.rfq.services.filters import criteria_stored
from apps.rfq.services.watches import NO_FILTER, Watch

KIND = "rfq.incoming"


def watches() -> Iterator[Watch]:
    """One per rule and environment, each has a stream of its own. A filter that its person lost matches nothing."""
    rules = AlertRule.objects.filter(is_on=True, removed_at=None).select_related("stream_filter").order_by("pk")
    wanted = [rule for rule in rules if KIND in rule.kinds]
    if not wanted:
        return
    accounts = defaultdict(list)
    for account in ExchangeAccount.objects.filter(is_active=True, desk_id__in={one.desk_id for one in wanted}):
        accounts[account.desk_id].append(account)
    for rule in wanted:
        saved = rule.stream_filter
        if saved is not None and (saved.desk_id != rule.desk_id or saved.owner_id not in (None, rule.owner_id)):
            continue
        of_environment: dict[str, ExchangeAccount] = {}
        for account in sorted(accounts[rule.desk_id], key=lambda one: one.pk):
            is_meant = rule.account_id in (None, account.pk)
            if is_meant and (saved is None or saved.environment == account.environment):
                of_environment.setdefault(account.environment, account)
        for account in of_environment.values():
            yield Watch(
                number=rule.pk,
                desk_id=rule.desk_id,
                account=account,
                criteria=NO_FILTER if saved is None else criteria_stored(saved.criteria),
                tickers=tickers_of(rule.tickers),
                least=rule.least,
            )
