import assert from "node:assert/strict";
import { test } from "node:test";
import { countsNow, tally } from "../../../static/js/orders/counts.js";

const rows = (/** @type {string[]} */ ...states) => states.map((state) => ({ state }));

test("rows are counted in their tabs and in all", () => {
  const found = tally(rows("resting", "resting", "executed", "unknown"));

  assert.equal(found["working"], 2);
  assert.equal(found["unknown"], 1);
  assert.equal(found["filled"], 1);
  assert.equal(found["all"], 4);
});

test("the first order counts in Working and in All before the server is asked again", () => {
  const told = { working: 0, unknown: 0, filled: 0, cancelled: 0, rejected: 0, all: 0 };
  const now = countsNow(told, tally([]), tally(rows("resting")));

  assert.equal(now["working"], 1);
  assert.equal(now["all"], 1);
});

test("a fill moves an order from one tab to the other; what ended long ago stays counted", () => {
  const told = { working: 1, unknown: 0, filled: 40, cancelled: 7, rejected: 0, all: 48 };
  const now = countsNow(told, tally(rows("resting")), tally(rows("executed", "resting")));

  assert.deepEqual(now, { working: 1, unknown: 0, filled: 41, cancelled: 7, rejected: 0, all: 49 });
});

test("no count is below what is listed, and none below zero", () => {
  const told = { working: 0, unknown: 0, filled: 0, cancelled: 0, rejected: 0, all: 0 };
  const now = countsNow(told, tally(rows("executed", "executed")), tally(rows("executed")));

  assert.equal(now["filled"], 1);
  assert.equal(now["cancelled"], 0);
});
