import assert from "node:assert/strict";
import { test } from "node:test";

import { scaleOf } from "../../../static/js/rfq/bounds-model.js";

test("a combo stands on all prices, a market on the cents around its book and its quotes", () => {
  assert.deepEqual(scaleOf([200, 4_100, 3_300], false), [0, 10_000]);
  assert.deepEqual(scaleOf([4_300, 4_500], true), [4_200, 4_600]);
  assert.deepEqual(scaleOf([4_300, 4_500, 5_500], true), [4_000, 5_800]);
});

test("the scale ends where prices end, and has a length even where all are one price", () => {
  assert.deepEqual(scaleOf([10, 60], true), [0, 200]);
  assert.deepEqual(scaleOf([9_990, 9_990], true), [9_800, 10_000]);
});
