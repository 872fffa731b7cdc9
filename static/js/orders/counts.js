/** How many orders each tab holds now: the server's counts, and what the live rows have changed since. No DOM. */
import { TABS } from "./choice.js";
import { tabOf } from "./row-model.js";

/** @typedef {Record<string, number>} Counts by tab */

/** @param {Iterable<Record<string, any>>} rows @returns {Counts} */
export function tally(rows) {
  /** @type {Counts} */
  const found = Object.fromEntries(TABS.map((tab) => [tab, 0]));
  for (const row of rows) {
    const tab = tabOf(row);
    found[tab] = (found[tab] ?? 0) + 1;
    found["all"] = (found["all"] ?? 0) + 1;
  }
  return found;
}

/**
 * @param {Counts} told by the server
 * @param {Counts} then of the live rows when it told them
 * @param {Counts} now of the live rows
 * @returns {Counts}
 */
export function countsNow(told, then, now) {
  const moved = TABS.map((tab) => [
    tab,
    Math.max(now[tab] ?? 0, (told[tab] ?? 0) + (now[tab] ?? 0) - (then[tab] ?? 0)),
  ]);
  // What works or is in doubt is always among the live rows; what has ended is so for a day.
  return { ...Object.fromEntries(moved), working: now["working"] ?? 0, unknown: now["unknown"] ?? 0 };
}
