"""Cold and warm start of the embedded desk, and the memory of each of its processes.

    python benchmarks/start.py [--markets 5000 --books 500]

Starts the real supervisor in a temporary folder: once cold (empty folder), then warm. Memory is
resident (RSS) and proportional (PSS, which counts a page shared by n processes as 1/n) per process,
idle, and again with `--markets` markets and `--books` live books that a signed-in browser socket asks
for. Linux only. Figures are seconds and MB; the comparison is warm against cold in one run.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.desk import RunningDesk, start_desk  # noqa: E402 - after the path is set


def memory(pid: int) -> tuple[float, float]:
    """Return (RSS, PSS) of one process in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = {name: int(value) / 1024 for name, value in re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE)}
    return found["Rss"], found["Pss"]


def table(desk: RunningDesk, title: str) -> float:
    print(f"\n{title}\n{'process':<12}{'RSS MB':>9}{'PSS MB':>9}")
    total_rss = total_pss = 0.0
    for name, pid in [("supervisor", desk.process.pid), *sorted(desk.children().items())]:
        rss, pss = memory(pid)
        total_rss, total_pss = total_rss + rss, total_pss + pss
        print(f"{name:<12}{rss:>9.0f}{pss:>9.0f}")
    print(f"{'all':<12}{total_rss:>9.0f}{total_pss:>9.0f}   (PSS is what the machine really holds)")
    return total_pss


def timed_start(data: Path, **extra: str) -> tuple[RunningDesk, float]:
    began = time.monotonic()
    desk = start_desk(data, **extra)
    return desk, time.monotonic() - began


def sign_in(desk: RunningDesk) -> str:
    """Return the cookie header of a signed-in trader."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = opener.open(f"{desk.url}/accounts/login/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token, "the sign-in page has no form"
    login = desk.logins["trader"]
    form = {"csrfmiddlewaretoken": token[1], "login": login["username"], "password": login["password"]}
    request = urllib.request.Request(
        f"{desk.url}/accounts/login/", urllib.parse.urlencode(form).encode(), {"Referer": desk.url}
    )
    opener.open(request).read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


async def watch(desk: RunningDesk, cookie: str, tickers: list[str], seconds: float) -> int:
    """Subscribe to the books of `tickers`, 250 to a socket as several browsers would; return how many came live."""
    seen: set[str] = set()
    done = asyncio.Event()
    groups = [tickers[start : start + 250] for start in range(0, len(tickers), 250)]
    readers = [asyncio.create_task(read_books(desk, cookie, group, seen, done)) for group in groups]
    # The readers run until they are told; those that see everything sooner end the wait.
    everything = asyncio.create_task(all_seen(seen, len(tickers)))
    await asyncio.wait([everything], timeout=seconds)
    everything.cancel()
    table(desk, f"with {len(seen)} live books")
    done.set()
    await asyncio.gather(*readers)
    return len(seen)


async def all_seen(seen: set[str], wanted: int) -> None:
    for _ in range(100_000):
        if len(seen) >= wanted:
            return
        await asyncio.sleep(0.2)


async def read_books(desk: RunningDesk, cookie: str, tickers: list[str], seen: set[str], done: asyncio.Event) -> None:
    from websockets.asyncio.client import connect

    url = desk.url.replace("http", "ws") + "/ws/"
    headers = {"Cookie": cookie}
    async with connect(url, origin=desk.url, additional_headers=headers, max_size=None) as socket:  # type: ignore[arg-type]
        for start in range(0, len(tickers), 50):
            topics = [f"book:paper:{ticker}" for ticker in tickers[start : start + 50]]
            await socket.send(json.dumps({"id": start + 1, "cmd": "subscribe", "topics": topics}))
        while not done.is_set():
            try:
                frame = json.loads(await asyncio.wait_for(socket.recv(), 1.0))
            except TimeoutError:
                continue
            for part in frame if isinstance(frame, list) else [frame]:
                if "hb" in part:
                    await socket.send(json.dumps({"ack": part["hb"]}))
                elif part.get("topic", "").startswith("book:") and part["d"].get("state") == "live":
                    seen.add(part["topic"])


def open_tickers(desk: RunningDesk, count: int) -> list[str]:
    url = f"{desk.paper['rest_url']}/trade-api/v2/markets?limit=1000&status=open"
    if "/trade-api" in desk.paper["rest_url"]:
        url = f"{desk.paper['rest_url']}/markets?limit=1000&status=open"
    body = json.loads(urllib.request.urlopen(url).read())
    return [market["ticker"] for market in body["markets"]][:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=5000)
    parser.add_argument("--books", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-start-") as folder:
        data = Path(folder) / "data"
        desk, cold = timed_start(data)
        desk.stop()
        warm = []
        for _ in range(3):
            desk, took = timed_start(data)
            warm.append(took)
            if len(warm) < 3:
                desk.stop()
        print(f"cold start {cold:.1f} s, warm start {min(warm):.1f} s (best of {[f'{w:.1f}' for w in warm]})")
        print(f"warm / cold = {min(warm) / cold:.2f}")
        time.sleep(10)
        table(desk, "idle, the default paper world")
        desk.stop()
        large = Path(folder) / "large"  # another world needs a folder of its own
        desk, took = timed_start(large, DESK_PAPER_OPTIONS=f"--markets {options.markets}")
        print(f"\nstart with {options.markets} markets at the exchange: {took:.1f} s")
        try:
            seen = asyncio.run(watch(desk, sign_in(desk), open_tickers(desk, options.books), 60.0))
            print(f"{seen} of {options.books} books became live")
        finally:
            desk.stop()


if __name__ == "__main__":
    main()
