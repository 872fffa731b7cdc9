import assert from "node:assert/strict";
import test from "node:test";

import { countRows, countWords } from "../../../static/js/history/count.js";

/** A desk that counts `sizes`, a part each; the cursor is the next part's number. */
const desk = (/** @type {number[]} */ sizes) => {
  /** @type {string[]} */
  const asked = [];
  return {
    asked,
    ask: async (/** @type {string} */ after) => {
      asked.push(after);
      const part = Number(after || 0);
      return { rows: sizes[part] ?? 0, next: part + 1 < sizes.length ? String(part + 1) : "" };
    },
  };
};

test("all parts are added up, each told as it comes", async () => {
  const { ask, asked } = desk([100_000, 100_000, 17]);
  /** @type {string[]} */
  const told = [];

  const counted = await countRows(ask, { told: (now) => told.push(countWords(now, true)) });

  assert.deepEqual(asked, ["", "1", "2"]);
  assert.deepEqual(told, ["100,000 and more…", "200,000 and more…", "200,017 match"]);
  assert.deepEqual(counted, { rows: 200_017, next: "" });
});

test("what is not counted to the end says so, and goes on from there", async () => {
  const { ask, asked } = desk([10, 20, 30, 40]);

  const first = await countRows(ask, { parts: 2 });
  assert.equal(countWords(first, false), "Over 30");
  const all = await countRows(ask, { parts: Infinity, from: first });

  assert.equal(countWords(all, false), "100 match");
  assert.deepEqual(asked, ["", "1", "2", "3"]);
});

test("one matches, none match", () => {
  assert.equal(countWords({ rows: 1, next: "" }, false), "1 matches");
  assert.equal(countWords({ rows: 0, next: "" }, false), "0 match");
});
