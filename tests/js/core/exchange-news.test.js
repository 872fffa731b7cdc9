import assert from "node:assert/strict";
import { test } from "node:test";

// Both belong to the frame, which reads its data from the page.
globalThis.document ??= /** @type {any} */ ({ getElementById: () => null, querySelector: () => null });
globalThis.location ??= /** @type {any} */ ({ protocol: "http:", host: "127.0.0.1" });
const { exchangeWords } = await import("../../../static/js/frame/bar.js");
const { newsToTell } = await import("../../../static/js/frame/news.js");

const OPEN = { exchange_active: true, trading_active: true, resume_at: null, hours_text: "Exchange open until X" };
const NOW = Date.parse("2026-11-26T07:18:00Z");
const PLANNED = { start: "2026-11-26T08:00:00Z", text: "Maintenance from A to B, in 42 min" };

test("the bar says hours, and maintenance an hour ahead, by the clock of now", () => {
  assert.match(exchangeWords(OPEN, NOW).tip, /Exchange open until X\.$/);
  const near = exchangeWords({ ...OPEN, maintenance: PLANNED }, NOW);
  assert.deepEqual([near.text, near.level], ["Maintenance in 42 min", "warning"]);
  assert.match(near.tip, /from A to B/);
  assert.equal(exchangeWords({ ...OPEN, maintenance: PLANNED }, NOW + 42 * 60_000).text, "Maintenance now");
  const paused = exchangeWords({ ...OPEN, trading_active: false, maintenance: PLANNED }, NOW);
  assert.equal(paused.text, "Trading paused");
  assert.match(paused.tip, /from A to B/);
});

test("an announcement is told once, and not at all where the page had it", () => {
  /** @type {import("../../../static/js/frame/news.js").News[]} */
  const news = [
    { key: "a", level: "info", text: "A" },
    { key: "b", level: "danger", text: "B" },
  ];
  const seen = new Set(["a"]);
  assert.deepEqual(
    newsToTell(news, seen).map(({ key }) => key),
    ["b"],
  );
  assert.deepEqual(newsToTell(news, seen), []);
});
