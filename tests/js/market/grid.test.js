import assert from "node:assert/strict";
import { test } from "node:test";

import { gridPrices, mirrored, shownStep, stepFrom, tickWords } from "../../../static/js/market/grid.js";

const CENT = [{ start: "0.0000", end: "1.0000", step: "0.0100" }];
const TAPERED = [
  { start: "0.0000", end: "0.1000", step: "0.0010" },
  { start: "0.1000", end: "0.9000", step: "0.0100" },
  { start: "0.9000", end: "1.0000", step: "0.0010" },
];

test("a linear grid has 99 prices and neither end", () => {
  const prices = gridPrices(CENT);

  assert.equal(prices.length, 99);
  assert.deepEqual([prices[0], prices[98]], [100, 9900]);
});

test("a tapered grid is finer at both ends and has no price twice", () => {
  const prices = gridPrices(TAPERED);

  assert.equal(prices.length, 100 + 80 + 99);
  assert.deepEqual(prices.slice(98, 102), [990, 1000, 1100, 1200]);
});

test("a step of zero is refused instead of looping for ever", () => {
  assert.throws(() => gridPrices([{ start: "0.00", end: "1.00", step: "0.00" }]), RangeError);
});

test("the NO grid mirrors the YES grid", () => {
  assert.deepEqual(mirrored([100, 250, 9900]), [100, 9750, 9900]);
});

test("a step goes to the next grid price, also from between two", () => {
  const prices = gridPrices(TAPERED);

  assert.equal(stepFrom(prices, 1000, 1), 1100);
  assert.equal(stepFrom(prices, 1000, -1), 990);
  assert.equal(stepFrom(prices, 1050, 1), 1100);
  assert.equal(stepFrom(prices, 1050, -1), 1000);
});

test("a step never leaves the grid", () => {
  const prices = gridPrices(CENT);

  assert.equal(stepFrom(prices, 9900, 1), 9900);
  assert.equal(stepFrom(prices, 100, -5), 100);
  assert.equal(stepFrom(prices, 5000, 1000), 9900);
});

test("a price off the grid is shown whole, not rounded to another price", () => {
  assert.equal(shownStep(100, 1500), 100);
  assert.equal(shownStep(100, 1550), 10);
  assert.equal(shownStep(100, 1555), 1);
  assert.equal(shownStep(10, 1500), 10);
});

test("the steps of a grid in words, finest first", () => {
  assert.equal(tickWords(TAPERED), "0.1¢ to 1¢");
  assert.equal(tickWords(CENT), "1¢");
  assert.equal(tickWords([]), "not known yet");
});
