import assert from "node:assert/strict";
import { test } from "node:test";

import { priceLines } from "../../../static/js/market/price-lines.js";

/** @param {string} side @param {string} price @param {string} remaining */
const row = (side, price, remaining) => ({
  book_side: side,
  price,
  remaining,
  outcome_side: side === "bid" ? "yes" : "no",
});

test("orders of one price and side are one line with their sum and number", () => {
  const lines = priceLines([
    row("bid", "0.0200", "10.00"),
    row("bid", "0.0200", "2.50"),
    row("ask", "0.0200", "7.00"),
    row("bid", "0.0300", "1.00"),
  ]);

  assert.deepEqual(
    lines.map(({ key, price, label, isBuy }) => [key, price, label, isBuy]),
    [
      ["bid:0.0200", "0.0200", "Buy YES 12.50 (2)", true],
      ["ask:0.0200", "0.0200", "Buy NO 7", false],
      ["bid:0.0300", "0.0300", "Buy YES 1", true],
    ],
  );
});

test("an order that moved has its line at the new price only", () => {
  assert.deepEqual(
    priceLines([row("bid", "0.0400", "5.00")]).map((line) => line.key),
    ["bid:0.0400"],
  );
});
