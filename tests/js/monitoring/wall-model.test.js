import assert from "node:assert/strict";
import test from "node:test";
import { STALE_MS, TURN_MS, ageWords, viewAt, waitMs } from "../../../static/js/monitor/wall-model.js";

test("the sets of panels take turns", () => {
  assert.deepEqual([0, TURN_MS, 2 * TURN_MS, 3 * TURN_MS, -5].map(viewAt), [
    "money",
    "activity",
    "control",
    "money",
    "money",
  ]);
});

test("an old reading is called stale, a failed one by its reason", () => {
  assert.deepEqual(ageWords(2_400, ""), { text: "2 s ago", level: "live" });
  assert.deepEqual(ageWords(STALE_MS + 1, ""), { text: "stale 10 s", level: "stale" });
  assert.deepEqual(ageWords(null, ""), { text: "not read yet", level: "stale" });
  assert.deepEqual(ageWords(100, "ended"), { text: "ended", level: "down" });
});

test("after failures it asks less often, at most each half minute, and not all screens at once", () => {
  assert.equal(waitMs(3_000, 0, 0.5), 3_000);
  assert.equal(waitMs(3_000, 2, 0.5), 12_000);
  assert.equal(waitMs(3_000, 50, 0.5), 30_000);
  assert.ok(waitMs(3_000, 0, 0) < waitMs(3_000, 0, 1));
});
