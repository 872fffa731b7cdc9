import assert from "node:assert/strict";
import { test } from "node:test";

import { createPace, exposureItems } from "../../../static/js/portfolio/exposure-model.js";

/** @param {string} key @param {number} cost @param {number | null} unrealised */
const event = (key, cost, unrealised) => ({ key, name: key, href: "", cost, unrealised });

test("a mark that comes after the first drawing is drawn at once, not when the pace allows the next", () => {
  const pace = createPace(2_000);
  assert.equal(pace.isDue(10, [event("E", 25_000_000, null)]), true);
  assert.equal(pace.isDue(510, [event("E", 25_000_000, null)]), false);
  assert.equal(pace.isDue(1_010, [event("E", 25_000_000, 2_000_000)]), true);
});

test("figures that only move wait for the pace; who comes, goes or loses its mark does not", () => {
  const pace = createPace(2_000);
  pace.isDue(0, [event("E", 25_000_000, 1)]);
  assert.equal(pace.isDue(1_999, [event("E", 25_000_000, 2)]), false);
  assert.equal(pace.isDue(2_000, [event("E", 25_000_000, 2)]), true);
  assert.equal(pace.isDue(2_100, [event("E", 25_000_000, 2), event("F", 1, 1)]), true);
  assert.equal(pace.isDue(2_200, [event("E", 25_000_000, 2)]), true);
  assert.equal(pace.isDue(2_300, [event("E", 25_000_000, null)]), true);
  pace.again();
  assert.equal(pace.isDue(2_301, [event("E", 25_000_000, null)]), true);
});

test("a tile says cost and unrealised, and that a mark is missing", () => {
  const items = exposureItems([event("A", 25_000_000, 2_000_000), event("B", 4_000_000, null), event("C", 0, 0)]);
  assert.deepEqual(
    items.map(({ name, words, tone }) => [name, words, tone]),
    [
      ["A", "$25.00, +$2.00", 0.32],
      ["B", "$4.00, no mark", 0],
    ],
  );
});
