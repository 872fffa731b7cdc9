import assert from "node:assert/strict";
import { test } from "node:test";
import { chanceTwice, setMark, setPrices } from "../../../static/js/markets/event-model.js";

/** @param {Partial<import("../../../static/js/markets/event-model.js").Outcome>} over */
const outcome = (over) => ({
  bid: null,
  ask: null,
  bidSize: 10_000,
  askSize: 5_000,
  last: null,
  status: "active",
  result: "",
  ...over,
});

test("the chance is the middle of the quotes, half a unit exact, else the last price", () => {
  assert.equal(chanceTwice(outcome({ bid: 4201, ask: 4300 })), 8501);
  assert.equal(chanceTwice(outcome({ bid: 4200, last: 4500 })), 9000);
  assert.equal(chanceTwice(outcome({})), null);
});

test("sums leave out what is over, and say nothing when a price is missing", () => {
  const all = [
    outcome({ bid: 4000, ask: 4200 }),
    outcome({ bid: 5500, ask: 5900 }),
    outcome({ status: "finalized", result: "no" }),
  ];
  assert.deepEqual(setPrices(all), { bids: 9500, asks: 10_100, chancesTwice: 19_600 });
  assert.deepEqual(setPrices([outcome({ bid: 4000 }), outcome({ ask: 5900 })]), {
    bids: 4000,
    asks: null,
    chancesTwice: null,
  });
  assert.deepEqual(setPrices([]), { bids: null, asks: null, chancesTwice: null });
});

test("bids above a dollar are marked, with the money and the size that they offer", () => {
  const mark = setMark([outcome({ bid: 5200, bidSize: 4_000 }), outcome({ bid: 5150, bidSize: 9_000 })], true);
  assert.equal(mark?.side, "bid");
  assert.equal(mark?.title, "Bids add up to 103.5¢, more than 100¢");
  assert.ok(mark?.text.includes("3.5¢ a set before fees, for 40 sets"));
});

test("bids above a dollar count even when an outcome has no bid", () => {
  assert.equal(setMark([outcome({ bid: 5200 }), outcome({ bid: 5100 }), outcome({})], true)?.side, "bid");
});

test("asks below a dollar are marked, with the condition in words", () => {
  const mark = setMark([outcome({ ask: 4700, askSize: 2_000 }), outcome({ ask: 5000, askSize: 150 })], true);
  assert.equal(mark?.title, "Asks add up to 97¢, less than 100¢");
  assert.ok(mark?.text.includes("3¢ a set before fees, for 1.50 sets"));
  assert.ok(mark?.text.includes("check in the rules that one must"));
});

test("a set that fits is not marked", () => {
  assert.equal(setMark([outcome({ bid: 4800, ask: 5000 }), outcome({ bid: 4900, ask: 5000 })], true), null);
});

test("exactly a dollar is not mispriced, on either side", () => {
  assert.equal(setMark([outcome({ bid: 5000 }), outcome({ bid: 5000 })], true), null);
  assert.equal(setMark([outcome({ ask: 5000 }), outcome({ ask: 5000 })], true), null);
});

test("asks are not marked while an outcome cannot be bought", () => {
  const cheap = [outcome({ ask: 3000 }), outcome({ ask: 3000 })];
  assert.equal(setMark([...cheap, outcome({})], true), null);
  assert.equal(setMark([...cheap, outcome({ ask: 1000, status: "inactive" })], true), null);
  assert.equal(setMark([...cheap, outcome({ status: "finalized", result: "no" })], true)?.side, "ask");
  assert.equal(setMark([...cheap, outcome({ status: "unlisted" })], true)?.side, "ask");
});

test("nothing is marked when outcomes may win together, or one has won", () => {
  const cheap = [outcome({ ask: 3000, bid: 9000 }), outcome({ ask: 3000, bid: 9000 })];
  assert.equal(setMark(cheap, false), null);
  assert.equal(setMark([...cheap, outcome({ status: "determined", result: "yes" })], true), null);
  assert.equal(setMark([outcome({ bid: 10_000 })], true), null);
});
