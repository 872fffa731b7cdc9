/** What a cancel of several orders means, in words: the same as apps/orders/pages/scopes.py. No DOM. */
import { formatCount } from "../core/fixed.js";

/** @typedef {Pick<import("./row-model.js").BlotterRow, "ticker" | "remaining">} Scoped */

/** @param {number} count @param {string} word */
export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/**
 * "7 working orders in 3 markets, 2,340 contracts"
 * @param {Scoped[]} rows
 */
export function scopeWords(rows) {
  const units = rows.reduce((sum, row) => sum + (row.remaining ?? 0), 0);
  const markets = new Set(rows.map((row) => row.ticker)).size;
  const contracts = `${formatCount(units)} ${units === 100 ? "contract" : "contracts"}`;
  return `${plural(rows.length, "working order")} in ${plural(markets, "market")}, ${contracts}`;
}

/**
 * Where a cancel of everything acts, as far as this person's rights go.
 * @param {string} accountName
 * @param {string} reach "desk" or "account": all of it; "part": what they hold a role on
 */
export const reachWords = (accountName, reach) =>
  reach === "part"
    ? `In the account ${accountName}, in all markets and of everybody, where you may cancel`
    : `In the account ${accountName}, all subaccounts and markets, of everybody`;

/**
 * Lines for the dialog: one for each market, the largest first.
 * @param {Scoped[]} rows
 * @param {number} [atMost]
 */
export function scopeLines(rows, atMost = 12) {
  /** @type {Map<string, {orders: number, units: number}>} */
  const markets = new Map();
  for (const row of rows) {
    const sum = markets.get(row.ticker) ?? { orders: 0, units: 0 };
    markets.set(row.ticker, { orders: sum.orders + 1, units: sum.units + (row.remaining ?? 0) });
  }
  const sorted = [...markets].sort(([, a], [, b]) => b.units - a.units);
  const lines = sorted
    .slice(0, atMost)
    .map(([ticker, { orders, units }]) => `${ticker}: ${plural(orders, "order")}, ${formatCount(units)} left`);
  if (sorted.length > atMost) lines.push(`and ${plural(sorted.length - atMost, "more market")}`);
  return lines;
}
