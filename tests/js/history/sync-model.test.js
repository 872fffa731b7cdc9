import assert from "node:assert/strict";
import test from "node:test";

import {
  axisOf,
  barsOf,
  fromOf,
  lasting,
  noteOf,
  progressOf,
  summaryOf,
} from "../../../static/js/history/sync-model.js";

const NOW = 1_800_000_000_000;
const DAY = 86_400_000;
const row = (/** @type {Record<string, unknown>} */ over = {}) => ({
  key: "fills",
  data_set: "fills",
  status: "done",
  error: "",
  from_ms: NOW - 100 * DAY,
  to_ms: NOW - 1000,
  unreadable: 0,
  gap: null,
  pass: null,
  ...over,
});
const pass = (/** @type {Record<string, unknown>} */ over = {}) => ({
  stage: "historical",
  read: 12_345,
  new: 12_345,
  repaired: 0,
  rate: 3_100,
  left_s: 200,
  fraction: "0.250",
  position_ms: NOW - 30 * DAY,
  until_ms: NOW,
  ...over,
});

test("a pass says where it is, how fast it goes and how long it still takes", () => {
  assert.equal(noteOf(row({ pass: pass() })), "archive: 12,345 rows, 3,100 rows/s, 3 min left");
  assert.equal(
    noteOf(row({ pass: pass({ new: 3, repaired: 3, left_s: null }) })),
    "archive: 12,345 rows, 3 new, 3 repaired, 3,100 rows/s",
  );
});

test("what went wrong comes before everything else", () => {
  assert.equal(noteOf(row({ error: "no answer", pass: pass() })), "no answer");
  assert.equal(noteOf(row({ unreadable: 2 })), "2 rows could not be read");
});

test("a bar has no end while the exchange does not say how much there is", () => {
  assert.equal(progressOf(row()), undefined);
  assert.equal(progressOf(row({ pass: pass({ fraction: null }) })), null);
  assert.equal(progressOf(row({ pass: pass() })), 250);
});

test("the time line holds every row, and the cutoff stands between the tiers", () => {
  const axis = axisOf([row()], NOW);
  const { bars, cutoff } = barsOf(row(), axis, NOW - 50 * DAY);
  assert.deepEqual(
    bars.map((bar) => bar.kind),
    ["whole"],
  );
  const [whole] = bars;
  assert.ok(whole && whole.x > 0 && whole.x < 25);
  assert.ok(whole && cutoff !== null && cutoff > whole.x && cutoff < whole.x + whole.width);
});

test("before the first pass has ended there is a gap and no coverage", () => {
  const first = row({ to_ms: null, from_ms: null, gap: [null, NOW - 30 * DAY], pass: pass() });
  const axis = axisOf([first], NOW);
  assert.deepEqual(
    barsOf(first, axis, null).bars.map((bar) => bar.kind),
    ["gap", "reading"],
  );
});

test("the page says what is not complete, and that all is", () => {
  assert.equal(summaryOf([row()]), "complete, and read again every few minutes");
  assert.equal(summaryOf([row(), row({ to_ms: null, pass: pass() })]), "1 being read, 1 not complete yet");
  assert.equal(summaryOf([row({ status: "failed" })]), "1 failed and tried again");
});

test("times left are told in the unit that people would use", () => {
  assert.deepEqual([0, 59, 200, 9_000].map(lasting), ["1 s", "59 s", "3 min", "3 h"]);
});

test("where there is no first time, words say why", () => {
  const dayOf = (/** @type {number} */ ms) => String(ms);
  assert.equal(fromOf(row({ to_ms: null }), dayOf), "-");
  assert.equal(fromOf(row({ from_ms: null, rows: 0 }), dayOf), "no record yet");
  assert.equal(fromOf(row({ from_ms: null, rows: 50 }), dayOf), "all that are named");
  assert.equal(fromOf(row({ from_ms: 7 }), dayOf), "7");
});
