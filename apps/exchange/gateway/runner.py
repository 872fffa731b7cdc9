"""The gateway's owner: follows accounts and keys, starts and ends their connections, holds the lease."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from apps.accounts.models import ExchangeAccount
from apps.core import ports
from apps.core.errors import DeskError
from apps.exchange import hosts, selectors, services
from apps.exchange.gateway.account_feed import AccountFeed
from apps.exchange.gateway.communications_feed import CommunicationsFeed
from apps.exchange.gateway.inbox import Inbox
from apps.exchange.gateway.interest import follow_interest, ticker_of
from apps.exchange.gateway.lease import LEASE, holder_name, lease_release, lease_take
from apps.exchange.gateway.market_feed import MarketFeed
from apps.exchange.gateway.threads import Threads
from apps.exchange.selectors import AccountWithKey
from apps.exchange.wire.signing import RequestSigner
from apps.vault.opening import signer_for, uses_flush, uses_flush_when_due

logger = logging.getLogger(__name__)

FOLLOW_SECONDS = 2.0
STOP_SECONDS = 1.2
LEASE_RELEASE_SECONDS = 0.5
# An account whose key the exchange refuses this often gives market data to the next account.
REFUSALS = 2
REFUSED_PAUSE = 60.0  # seconds


@dataclass(slots=True)
class _Running:
    """A started feed. `made_of` differs when it must be started anew (another key or account)."""

    made_of: AccountWithKey
    feed: AccountFeed | MarketFeed | CommunicationsFeed
    task: asyncio.Task[None]


@dataclass(slots=True)
class Gateway:
    """Every connection to the exchange of this installation. One `run` per object."""

    follow_seconds: float = FOLLOW_SECONDS
    holder: str = field(default_factory=holder_name)
    accounts: dict[int, _Running] = field(default_factory=dict)
    markets: dict[str, _Running] = field(default_factory=dict)
    communications: dict[tuple[int, bool], _Running] = field(default_factory=dict)  # account, brings the stream
    jobs: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _threads: Threads = field(default_factory=Threads)
    _inbox: Inbox = field(init=False)
    _leased_at: float | None = None
    _refused: dict[int, float] = field(default_factory=dict)
    _complaints: dict[int, str] = field(default_factory=dict)
    _limits: dict[int, dict[str, Any]] = field(default_factory=dict)
    _sources: dict[str, AccountWithKey] = field(default_factory=dict)  # environment -> brings what is public

    def __post_init__(self) -> None:
        self._inbox = Inbox(self._threads, on_loss=self._reconcile)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; ends within two seconds and lets the next gateway begin."""
        helpers = [
            asyncio.create_task(self._inbox.run(), name="gateway-inbox"),
            asyncio.create_task(follow_interest(self._interest), name="gateway-interest"),
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._follow()
                await asyncio.wait([stopping, *helpers], timeout=self.follow_seconds, return_when="FIRST_COMPLETED")
                for helper in helpers:
                    if helper.done():
                        helper.result()  # raises: without its inbox the gateway is not one
        finally:
            stopping.cancel()
            await self._stop(helpers)

    async def _follow(self) -> None:
        """Bring the running feeds in line with the accounts and keys in SQL."""
        try:
            holds = await self._threads.database(lambda: lease_take(self.holder))
            accounts = await self._threads.database(selectors.accounts_with_keys) if holds else []
        except Exception:
            # A boundary: feeds go on while the database is away, for as long as the lease is ours.
            logger.exception("the gateway cannot read its accounts")
            if self._leased_at is None or time.monotonic() - self._leased_at < LEASE.total_seconds():
                return
            holds, accounts = False, []
        if holds and self._leased_at is None:
            logger.info("gateway %s holds the lease", self.holder)
        elif not holds and self._leased_at is not None:
            logger.error("gateway %s lost the lease, another one has begun", self.holder)
        self._leased_at = time.monotonic() if holds else None
        await self._align(self.accounts, {account.account_id: account for account in accounts}, self._account_feed)
        sources = self._market_sources(accounts)
        await self._align(self.markets, sources, self._market_feed)
        # An account whose turn it is to bring the stream, or is no longer, is connected anew.
        self._sources = sources
        listened = accounts if ports.urgent_handlers or ports.stream_takers else []
        by_stream = {(one.account_id, sources[one.environment] == one): one for one in listened}
        await self._align(self.communications, by_stream, self._communications_feed)
        await self._keep_jobs(holds=holds)
        for account in accounts:
            await self._publish_limits(account.account_id)
        await self._threads.database(uses_flush_when_due)

    def _market_sources(self, accounts: list[AccountWithKey]) -> dict[str, AccountWithKey]:
        """Return per environment the account that market data comes through: the first that is not refused."""
        for running in self.markets.values():
            if isinstance(running.feed, MarketFeed) and running.feed.refusals >= REFUSALS:
                self._refused[running.made_of.account_id] = time.monotonic()
        now = time.monotonic()
        self._refused = {account: at for account, at in self._refused.items() if now - at < REFUSED_PAUSE}
        sources: dict[str, AccountWithKey] = {}
        for account in sorted(accounts, key=lambda one: (one.account_id in self._refused, one.account_id)):
            sources.setdefault(account.environment, account)
        return sources

    async def _align(self, running: dict[Any, _Running], wanted: dict[Any, AccountWithKey], build: Any) -> None:
        for key, current in list(running.items()):
            if current.task.done() and not current.task.cancelled() and current.task.exception() is not None:
                logger.error("%s ended and is started anew", current.task.get_name(), exc_info=current.task.exception())
            if wanted.get(key) != current.made_of or current.task.done():
                del running[key]
                await _end([current.task])
        for key, account in wanted.items():
            if key in running:
                continue
            signer = await self._signer(account.account_id)
            if signer is not None:
                feed = build(account, signer)
                job: Coroutine[Any, Any, None] = feed.run()
                task = asyncio.create_task(job, name=f"{type(feed).__name__} {key}")
                running[key] = _Running(account, feed, task)

    async def _signer(self, account_id: int) -> RequestSigner | None:
        try:
            signer = await self._threads.database(lambda: signer_for(account_id, write=False))
        except DeskError as exc:
            if self._complaints.get(account_id) != exc.code:
                self._complaints[account_id] = exc.code
                logger.error("account %s is not connected: %s", account_id, exc.text)
            return None
        self._complaints.pop(account_id, None)
        return signer

    def _account_feed(self, account: AccountWithKey, signer: RequestSigner) -> AccountFeed:
        return AccountFeed(
            account.account_id,
            account.environment,
            hosts=hosts.ws_hosts(account.environment),
            signer=signer,
            inbox=self._inbox,
            threads=self._threads,
        )

    def _communications_feed(self, account: AccountWithKey, signer: RequestSigner) -> CommunicationsFeed:
        return CommunicationsFeed(
            account.account_id,
            account.environment,
            hosts=hosts.ws_hosts(account.environment),
            signer=signer,
            inbox=self._inbox,
            threads=self._threads,
            takes_stream=self._sources.get(account.environment) == account,
        )

    async def _keep_jobs(self, *, holds: bool) -> None:
        """Run the apps' jobs while the lease is ours; start what has ended."""
        if not holds:
            ended, self.jobs = list(self.jobs.values()), {}
            await _end(ended)
            return
        for name, job in ports.gateway_jobs.items():
            task = self.jobs.get(name)
            if task is not None and task.done() and not task.cancelled() and task.exception() is not None:
                logger.error("the gateway's %s ended and is started anew", name, exc_info=task.exception())
            if task is None or task.done():
                self.jobs[name] = asyncio.create_task(job(self._threads), name=f"gateway-{name}")

    def _market_feed(self, account: AccountWithKey, signer: RequestSigner) -> MarketFeed:
        return MarketFeed(
            account.account_id,
            account.environment,
            hosts=hosts.ws_hosts(account.environment),
            signer=signer,
            inbox=self._inbox,
            threads=self._threads,
            market_data=ports.market_data[0],
        )

    def _interest(self, topic: bytes) -> None:
        for taker in ports.interest_takers:
            taker(topic.decode(errors="replace"))
        for environment, running in self.markets.items():
            if isinstance(running.feed, MarketFeed) and ticker_of(topic, environment) is not None:
                running.feed.look()

    def _reconcile(self, account_id: int) -> None:
        for running in (*self.accounts.values(), *self.communications.values()):
            if running.made_of.account_id == account_id and not isinstance(running.feed, MarketFeed):
                running.feed.reconcile()

    async def _publish_limits(self, account_id: int) -> None:
        """Publish the token gauges of an account when they moved."""

        def read() -> dict[str, Any] | None:
            account = ExchangeAccount.objects.filter(pk=account_id).first()
            return selectors.limits_frame(account) if account else None

        frame = await self._threads.database(read)
        if frame is None:
            return
        moved = {name: value for name, value in frame.items() if name != "at_ms"}
        if self._limits.get(account_id) != moved:
            self._limits[account_id] = moved
            await self._threads.redis(lambda: services.limits_frame_publish(account_id, frame))

    def _leave(self) -> None:
        uses_flush()
        lease_release(self.holder)
        connections.close_all()

    async def _stop(self, helpers: list[asyncio.Task[None]]) -> None:
        groups = (self.accounts, self.markets, self.communications)
        feeds = [running.task for group in groups for running in group.values()]
        await _end([*feeds, *self.jobs.values(), *helpers])
        for group in groups:
            group.clear()
        self.jobs.clear()
        if self._leased_at is not None:
            try:
                async with asyncio.timeout(LEASE_RELEASE_SECONDS):
                    await self._threads.database(self._leave)
            except Exception:
                logger.exception("the lease was not released; it runs out by itself")
        self._threads.stop()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=STOP_SECONDS)
