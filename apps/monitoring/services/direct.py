"""The kill switch without a database: straight to the exchange with the emergency keys and the vault's private half."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from apps.core.errors import DeskError
from apps.exchange import hosts
from apps.exchange.wire.client import ExchangeClient
from apps.monitoring.clear import Cleared, account_clear
from apps.vault.emergency_file import OpenedKey, emergency_open, emergency_path

AT_ONCE = 8  # accounts


@dataclass(frozen=True, slots=True)
class Told:
    """What one pass over one account came to."""

    account: str
    environment: str
    done: Cleared

    @property
    def is_clean(self) -> bool:
        return self.done.left == 0

    @property
    def words(self) -> str:
        left = [
            f"{what} {'not read' if count is None else count}"
            for what, count in (
                ("orders", self.done.orders),
                ("quotes", self.done.quotes),
                ("requests", self.done.rfqs),
                ("order groups", self.done.groups),
            )
            if count != 0
        ]
        ended = sum(len(ids) for ids in self.done.ended.values())
        state = "nothing is left" if self.is_clean else f"left: {', '.join(left) or 'not known'}"
        problems = f" ({'; '.join(self.done.problems[:3])})" if self.done.problems else ""
        return f"{self.account} [{self.environment}]: {ended} taken off, {state}{problems}"


def direct_pass(
    *, private_key: Path, desk_slug: str = "", keys: Path | None = None, has_triggered: bool = False
) -> list[Told]:
    """Make one pass over every account of the emergency file (of one desk).

    Raises DeskError: no file, no private half, or no account of that desk in it.
    """
    opened = emergency_open(keys or emergency_path(), private_key=private_key)
    return opened_pass(opened, desk_slug=desk_slug, has_triggered=has_triggered)


def opened_pass(opened: list[OpenedKey], *, desk_slug: str = "", has_triggered: bool = False) -> list[Told]:
    """The same with keys that are open already. Raises DeskError: none is of that desk."""
    mine = [one for one in opened if desk_slug in ("", one.key.desk_slug)]
    if not mine:
        raise DeskError("emergency_empty", "The emergency file has no trading key of this desk.")
    # An exchange across an ocean takes a second and more for each account.
    with ThreadPoolExecutor(min(len(mine), AT_ONCE), thread_name_prefix="kill") as threads:
        return list(threads.map(partial(_account, has_triggered=has_triggered), mine))


def _account(one: OpenedKey, *, has_triggered: bool) -> Told:
    if one.signer is None:
        return Told(one.key.account_name, one.key.environment, Cleared(problems=[f"its key {one.problem}"]))
    try:
        client = _client(one)
    except DeskError as exc:
        return Told(one.key.account_name, one.key.environment, Cleared(problems=[exc.text]))
    try:
        return Told(one.key.account_name, one.key.environment, account_clear(client, has_triggered=has_triggered))
    finally:
        client.close()


def _client(one: OpenedKey) -> ExchangeClient:
    # No limiter: it lives in Redis, and these requests come before everything else.
    return ExchangeClient(hosts.rest_hosts(one.key.environment), one.signer, None)
