import assert from "node:assert/strict";
import { test } from "node:test";

import { centrePrice, ladderRows, ownByPrice, sideBook } from "../../../static/js/market/ladder-model.js";

/** @type {import("../../../static/js/market/ladder-model.js").BookFrame} */
const FRAME = {
  yes: [
    ["0.4000", "10.00"],
    ["0.4200", "5.50"],
  ],
  no: [
    ["0.5000", "7.00"],
    ["0.5600", "3.00"],
  ],
};

test("from YES, NO bids are asks at one dollar less their price", () => {
  const book = sideBook(FRAME, "yes");

  assert.equal(book.bestBid, 4200);
  assert.equal(book.bestAsk, 4400);
  assert.equal(book.asks.get(4400), 300);
});

test("from NO, the same book reads the other way round", () => {
  const book = sideBook(FRAME, "no");

  assert.equal(book.bestBid, 5600);
  assert.equal(book.bestAsk, 5800);
  assert.equal(book.asks.get(5800), 550);
});

test("depth is summed from the best price outwards", () => {
  const rows = ladderRows([4000, 4100, 4200, 4300, 4400, 5000], sideBook(FRAME, "yes"));
  const at = (/** @type {number} */ price) => rows.find((row) => row.price === price);

  assert.equal(rows[0]?.price, 5000);
  assert.deepEqual([at(4200)?.bidDepth, at(4000)?.bidDepth], [550, 1550]);
  assert.deepEqual([at(4400)?.askDepth, at(5000)?.askDepth], [300, 1000]);
  assert.equal(at(4300)?.bidDepth, 0);
});

test("a level off the grid still has its row", () => {
  const rows = ladderRows([4000], sideBook(FRAME, "yes"));

  assert.deepEqual(
    rows.map((row) => row.price),
    [5000, 4400, 4200, 4000],
  );
});

test("own orders stand in the column and row of the view", () => {
  const bid = { id: "a", side: /** @type {const} */ ("bid"), price: 4200, remaining: 500, state: "resting" };
  const done = { ...bid, id: "b", remaining: 0 };

  assert.deepEqual(ownByPrice([bid, done], "yes").get(4200), { bid: 500, ask: 0, orders: [bid] });
  assert.deepEqual(ownByPrice([bid], "no").get(5800), { bid: 0, ask: 500, orders: [bid] });
});

test("the centre is the middle of the spread, and something sensible without one", () => {
  const empty = sideBook({ yes: [], no: [] }, "yes");

  assert.equal(centrePrice(sideBook(FRAME, "yes"), null), 4300);
  assert.equal(centrePrice(empty, 1200), 1200);
  assert.equal(centrePrice(empty, null), 5000);
});
