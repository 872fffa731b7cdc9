import assert from "node:assert/strict";
import { test } from "node:test";

import { layBars, slotsOf } from "../../../static/js/portfolio/bars-model.js";

test("each calendar day of the period has its place, traded or not, over changes of the clock and of the year", () => {
  const { count, slotOf } = slotsOf("2026-10-20", "2026-11-19");
  assert.equal(count, 31);
  assert.deepEqual(["2026-10-20", "2026-11-01", "2026-11-02", "2026-11-19"].map(slotOf), [0, 12, 13, 30]);
  assert.equal(slotsOf("2026-12-31", "2027-01-01").count, 2);
});

test("a single day is a slim bar at the day's own place, not a block at the left", () => {
  const { bars, zero } = layBars([{ slot: 6, value: -880_000 }], { slots: 7, width: 350, height: 100 });
  assert.equal(bars.length, 1);
  assert.equal(bars[0]?.width, 18);
  assert.equal(bars[0]?.x, 316); // the middle of the last of seven places of 50
  assert.equal(zero, 0);
  assert.deepEqual([bars[0]?.y, bars[0]?.height], [0, 100]);
});

test("gains stand on the line, losses hang from it, by one scale", () => {
  const days = [
    { slot: 0, value: 3_000_000 },
    { slot: 1, value: -1_000_000 },
    { slot: 2, value: 0 },
  ];
  const { bars, zero } = layBars(days, { slots: 3, width: 30, height: 80 });
  assert.equal(zero, 60);
  assert.deepEqual(
    bars.map(({ y, height }) => [y, height]),
    [
      [0, 60],
      [60, 20],
      [59, 1],
    ],
  );
});

test("a year of days fits, each at least a pixel wide", () => {
  const days = Array.from({ length: 366 }, (_, slot) => ({ slot, value: slot + 1 }));
  const { bars } = layBars(days, { slots: 366, width: 380, height: 80 });
  assert.ok(bars.every((bar) => bar.width >= 1 && bar.x >= 0 && bar.x + bar.width <= 381));
});
