"""A real gateway in a thread of the test, between a real paper exchange and a real Redis."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from apps.accounts.models import ExchangeAccount
from apps.exchange import live
from apps.exchange.clients import clients_forget
from apps.exchange.gateway import Gateway
from tests.support.desk import PATIENCE, eventually
from tests.support.paper import PaperProcess
from tests.support.people import actor_of, make_account, make_desk, make_key, make_person, vault_in


def use_paper(settings: Any, paper: PaperProcess) -> None:
    """Point the environment "paper" at a running paper exchange."""
    settings.EXCHANGE_HOSTS = {
        **settings.EXCHANGE_HOSTS,
        "paper": {"rest": [paper.rest_url], "ws": [paper.ws_url]},
    }


def paper_account(paper: PaperProcess, member: str, *, folder: Path, settings: Any) -> ExchangeAccount:
    """An account of a new desk whose key in the vault is the one of a paper member."""
    vault_in(folder, settings)
    desk = make_desk()
    admin = make_person(desk, "vault-admin")
    account = make_account(desk)
    known = paper.members[member]
    make_key(
        actor_of(admin),
        account,
        key_id=known["key_id"],
        scopes=tuple(known["scopes"]),
        secret=Path(known["private_key_path"]).read_bytes(),
    )
    return account


@contextmanager
def running_gateway(**options: Any) -> Iterator[Gateway]:
    """Run a gateway in a loop of its own; it has ended when the block has."""
    started = threading.Event()
    held: dict[str, Any] = {}

    async def serve() -> None:
        held["stop"] = asyncio.Event()
        held["loop"] = asyncio.get_running_loop()
        held["gateway"] = Gateway(**({"follow_seconds": 0.2} | options))
        started.set()
        await held["gateway"].run(held["stop"])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="gateway-under-test")
    thread.start()
    assert started.wait(PATIENCE)
    try:
        yield held["gateway"]
    finally:
        held["loop"].call_soon_threadsafe(held["stop"].set)
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the gateway did not end"
        # The process would end here; a test waits for readings under way, because they use its database.
        held["gateway"]._threads.join()
        clients_forget()


def need(redis: Any, *topics: str) -> None:
    """Do what the hub does when a browser subscribes."""
    now_ms = time.time_ns() // 1_000_000
    redis.zadd(live.INTEREST, dict.fromkeys(topics, now_ms))
    for topic in topics:
        redis.publish(live.INTEREST, topic)


def kept(redis: Any, topic: str) -> dict[str, Any] | None:
    """The frame that a browser would get for `topic` now."""
    raw = redis.hget(live.STATE, topic)
    return msgspec.json.decode(raw)[1] if raw else None


def live_book(redis: Any, ticker: str, *, within: float = PATIENCE) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        frame = kept(redis, f"book:paper:{ticker}")
        return frame if frame and frame["state"] == "live" else None

    frame: dict[str, Any] = eventually(look, within=within, what=f"a live book of {ticker}")
    return frame


def paper_call(paper: PaperProcess, member: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """A signed REST call of a paper member, past the desk."""
    full = f"/trade-api/v2{path}"
    headers = paper.headers(member, method, full, timestamp_ms=time.time_ns() // 1_000_000)
    answer = httpx.request(method, paper.rest_url + full, headers=headers, json=body, timeout=PATIENCE)
    assert answer.status_code < 300, answer.text
    result: dict[str, Any] = answer.json() if answer.content else {}
    return result


def paper_order(paper: PaperProcess, member: str, ticker: str, side: str, price: str, count: str) -> dict[str, Any]:
    body = {
        "ticker": ticker,
        "client_order_id": f"test-{time.time_ns()}",
        "side": side,
        "price": price,
        "count": count,
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    return paper_call(paper, member, "POST", "/portfolio/events/orders", body)


def paper_book(paper: PaperProcess, member: str, ticker: str) -> dict[str, Any]:
    """The exchange's own book of a market, by REST."""
    book: dict[str, Any] = paper_call(paper, member, "GET", f"/markets/{ticker}/orderbook")["orderbook_fp"]
    return {"yes": book.get("yes_dollars") or [], "no": book.get("no_dollars") or []}
