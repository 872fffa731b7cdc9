/** Own working orders as lines in the chart: one per price and side, however many orders rest there. No DOM here. */
import { formatCount, toUnits } from "../core/fixed.js";

/** @typedef {{key: string, price: string, label: string, isBuy: boolean}} PriceLine price of the YES leg, dollars */

/** @param {Record<string, any>[]} rows working orders @returns {PriceLine[]} */
export function priceLines(rows) {
  /** @type {Map<string, {row: Record<string, any>, left: number, orders: number}>} */
  const found = new Map();
  for (const row of rows) {
    const key = `${row.book_side}:${row.price}`;
    const known = found.get(key) ?? { row, left: 0, orders: 0 };
    known.left += toUnits(row.remaining, 2);
    known.orders += 1;
    found.set(key, known);
  }
  return [...found].map(([key, { row, left, orders }]) => ({
    key,
    price: row.price,
    label: `${row.outcome_side === "yes" ? "Buy YES" : "Buy NO"} ${formatCount(left)}${orders > 1 ? ` (${orders})` : ""}`,
    isBuy: row.book_side === "bid",
  }));
}
