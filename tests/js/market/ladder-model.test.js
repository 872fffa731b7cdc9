import assert from "node:assert/strict";
import { test } from "node:test";

import {
  barScale,
  bestPrice,
  bookLevels,
  bookWords,
  centrePrice,
  compactCount,
  ownByPrice,
  sideBook,
} from "../../../static/js/market/ladder-model.js";

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

test("depth is summed from the best price outwards, level by level", () => {
  const levels = bookLevels(sideBook(FRAME, "yes"));

  assert.deepEqual([levels.get(4200)?.bidDepth, levels.get(4000)?.bidDepth], [550, 1550]);
  assert.deepEqual([levels.get(4400)?.askDepth, levels.get(5000)?.askDepth], [300, 1000]);
  assert.deepEqual([...levels.keys()].sort(), [4000, 4200, 4400, 5000]);
});

test("a crossed price holds both of its sides", () => {
  const frame = { yes: [["0.4400", "2.00"]], no: [["0.5600", "3.00"]] };
  const levels = bookLevels(sideBook(/** @type {any} */ (frame), "yes"));

  assert.deepEqual(levels.get(4400), { bid: 200, ask: 300, bidDepth: 200, askDepth: 300 });
});

test("a full bar stands for a round number at or above the largest level", () => {
  assert.deepEqual(
    [1, 100, 101, 250, 8_001, 10_000, 188_000].map(barScale),
    [100, 100, 150, 300, 10_000, 10_000, 200_000],
  );
});

test("joining takes the best price, improving goes one tick further but never crosses", () => {
  const book = sideBook(FRAME, "yes");
  const cents = Array.from({ length: 99 }, (_, index) => (index + 1) * 100);

  assert.equal(bestPrice(book, cents, "bid", false), 4200);
  assert.equal(bestPrice(book, cents, "bid", true), 4300);
  assert.equal(bestPrice(book, cents, "ask", true), 4300);
  assert.equal(bestPrice({ ...book, bestAsk: 4300 }, cents, "bid", true), 4200);
  assert.equal(bestPrice({ ...book, bestBid: null }, cents, "bid", false), null);
});

test("a book without a side says which", () => {
  assert.equal(bookWords(sideBook(FRAME, "yes"), "yes"), "");
  assert.match(bookWords(sideBook({ yes: [], no: [] }, "yes"), "yes"), /no orders/);
  assert.match(bookWords(sideBook({ ...FRAME, no: [] }, "yes"), "yes"), /nobody sells YES/);
  assert.match(bookWords(sideBook({ ...FRAME, no: [] }, "no"), "no"), /nobody bids for NO/);
});

test("a compact count never says more than there is", () => {
  assert.deepEqual([550, 99_900, 119_900, 1_250_000, 140_000_000].map(compactCount), [
    "5.50",
    "999",
    "1.1k",
    "12k",
    "1.4m",
  ]);
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
