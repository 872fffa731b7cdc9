"""The incoming stream in a real browser: frames drawn a second and memory, minute by minute.

    .venv/bin/python -m benchmarks.rfq_stream [--per-second 500] [--seconds 300]

Real parts: the embedded set as `make run` starts it, bots of the paper exchange that ask as often as is said, and a
quoter's RFQ page with the filter "Everything" in Chromium. The same page with a silent stream is measured first, in the
same run. Frames are those of the browser's own clock (at most 60 a second without a screen); the heap is read after a
collection, so that what grows is kept and not merely not yet collected.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import CDPSession, Page, expect, sync_playwright  # noqa: E402 - after the path is set

from tests.browser.conftest import ARGUMENTS  # noqa: E402
from tests.browser.pages import SignInPage  # noqa: E402
from tests.support.desk import RunningDesk, eventually, running_desk  # noqa: E402

PATIENCE_MS = 120_000
COUNT = """() => {
  const gaps = [];
  let last = performance.now();
  const tick = (now) => { gaps.push(now - last); last = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
  window.takeGaps = () => gaps.splice(0);
}"""
SPENT = {"all": "TaskDuration", "script": "ScriptDuration", "layout": "LayoutDuration", "style": "RecalcStyleDuration"}
COLUMNS = ("frames/s", "gap p50", "gap p99", "gap max", "heap", "nodes", *(f"{name} %" for name in SPENT))
ROWS = "document.querySelectorAll(\"[data-panel='incoming'] tbody tr\").length"


def memory_of(pid: int) -> float:
    """Return resident memory in MB (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def counters(cdp: CDPSession) -> dict[str, float]:
    return {one["name"]: one["value"] for one in cdp.send("Performance.getMetrics")["metrics"]}


def stretch(page: Page, cdp: CDPSession, seconds: float) -> dict[str, float]:
    """Watch the page for a while and say how it went."""
    page.evaluate("takeGaps()")
    before = counters(cdp)
    began = time.monotonic()
    page.wait_for_timeout(seconds * 1000)
    gaps = sorted(page.evaluate("takeGaps()"))
    took = time.monotonic() - began
    cdp.send("HeapProfiler.collectGarbage")
    metrics = counters(cdp)
    spent = {f"{name} %": (metrics[of] - before[of]) / took * 100 for name, of in SPENT.items()}
    return spent | {
        "frames/s": len(gaps) / took,
        "gap p50": gaps[len(gaps) // 2],
        "gap p99": gaps[int(len(gaps) * 0.99)],
        "gap max": gaps[-1],
        "heap": metrics["JSHeapUsedSize"] / 1e6,
        "nodes": metrics["Nodes"],
    }


def line(name: str, found: dict[str, float]) -> None:
    print(f"{name:<10}" + "".join(f"{found[key]:>10.1f}" for key in COLUMNS), flush=True)


def bots(desk: RunningDesk, per_second: int) -> None:
    body: dict[str, Any] = {"active": True, "rfqs": {"per_second": per_second}}
    answer = httpx.post(f"{desk.paper['control_url']}/bots", json=body, timeout=60)
    assert answer.status_code == httpx.codes.OK, answer.text


def measure(page: Page, desk: RunningDesk, *, per_second: int, seconds: int) -> None:
    login = desk.logins["quoter"]
    SignInPage(page).sign_in(login["username"], login["password"])
    page.goto("/rfq/")
    expect(page.locator("[data-panel='incoming']")).to_have_attribute("data-feed", "live", timeout=PATIENCE_MS)
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable")
    page.evaluate(COUNT)
    print("gaps in ms, memory in MB, shares of the time of the page's main thread")
    print(f"{'':<10}" + "".join(f"{name:>10}" for name in COLUMNS))
    line("silent", stretch(page, cdp, 20))
    bots(desk, per_second)
    eventually(lambda: page.evaluate(ROWS) > 5, what="rows of the stream")
    before = {name: memory_of(pid) for name, pid in desk.children().items()}
    for minute in range(max(1, seconds // 60)):
        line(f"minute {minute + 1}", stretch(page, cdp, min(60, seconds)))
        print(f"{'':<18}{page.locator('[data-stream-words]').inner_text()!r}, {page.evaluate(ROWS)} rows in the page")
    after = {name: memory_of(pid) for name, pid in desk.children().items()}
    for name in ("web", "gateway"):
        print(f"{name}: {before[name]:.0f} MB at the first minute's begin, {after[name]:.0f} MB at the end")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--per-second", type=int, default=500, help="requests of bots")
    parser.add_argument("--seconds", type=int, default=300)
    options = parser.parse_args()
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        print("no Chromium on this machine")
        return 1
    with tempfile.TemporaryDirectory(prefix="desk-rfq-stream-") as folder, sync_playwright() as playwright:
        started = {"DESK_PAPER_OPTIONS": "--markets 200", "DESK_RFQ_FAST": "KX"}
        with running_desk(Path(folder) / "data", **started) as desk:
            bots(desk, 0)
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            page = browser.new_context(
                base_url=desk.url, viewport={"width": 1440, "height": 900}, bypass_csp=True
            ).new_page()
            measure(page, desk, per_second=options.per_second, seconds=options.seconds)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
