import assert from "node:assert/strict";
import { test } from "node:test";
import { ageOf, formatterOf, linesOf, noteOf, STALE_AFTER_MS } from "../../../static/js/markets/forecast-model.js";

/** @type {import("../../../static/js/markets/forecast-model.js").Forecast} */
const forecast = {
  read_ms: 1_000,
  why: "",
  percentiles: [10, 50],
  points: [
    [3_600, ["1.5", "2.5"]],
    [7_200, [null, "2.75"]],
  ],
  now: ["", "2.75%"],
};

test("each percentile is a line, with a gap where the exchange gave nothing", () => {
  assert.deepEqual(linesOf(forecast), [
    [{ time: 3_600, value: 1.5 }],
    [
      { time: 3_600, value: 2.5 },
      { time: 7_200, value: 2.75 },
    ],
  ]);
});

test("the axis writes numbers as the exchange does", () => {
  assert.equal(formatterOf("$92,400").format(91_000.4), "$91,000");
  assert.equal(formatterOf("3.25%").format(3.5), "3.50%");
  assert.equal(formatterOf("-4.0°").format(-1), "-1.0°");
  assert.equal(formatterOf("").format(7), "7");
  assert.equal(formatterOf("1.234567891").minMove, 0.000001);
});

test("what is old, cut off or refused is stale, and an event without a forecast says so", () => {
  const facts = { link: "live", isFresh: true, forecast, nowMs: 31_500 };
  assert.deepEqual(ageOf(facts), { state: "live", text: "as of 30 s ago" });
  assert.deepEqual(ageOf({ ...facts, nowMs: 2_500 }), { state: "live", text: "as of 1 s ago" });
  assert.equal(ageOf({ ...facts, nowMs: 1_001 + STALE_AFTER_MS }).state, "stale");
  assert.equal(ageOf({ ...facts, link: "connecting" }).state, "stale");
  assert.equal(ageOf({ ...facts, forecast: { ...forecast, why: "status 503" } }).state, "stale");
  assert.equal(ageOf({ ...facts, forecast: { ...forecast, read_ms: null } }).state, "down");
  assert.equal(noteOf(null, false), "Waiting for the exchange.");
  assert.equal(noteOf(forecast, true), "");
  assert.match(noteOf({ ...forecast, points: [] }, false), /no forecast of this event/);
  assert.match(noteOf({ ...forecast, why: "status 503" }, true), /status 503/);
});
