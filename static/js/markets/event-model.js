/**
 * What the outcomes of one event add up to, in integers, and whether the set is mispriced. Pure.
 * The same rules and words as apps/markets/event_pages.py; tests on both sides hold the same cases.
 */
import { DOLLAR, formatCount, formatFixed } from "../core/fixed.js";

/**
 * @typedef {object} Outcome prices in 1/10,000 dollar, sizes in 1/100 contract
 * @property {number | null} bid
 * @property {number | null} ask
 * @property {number | null} bidSize
 * @property {number | null} askSize
 * @property {number | null} last
 * @property {string} status
 * @property {string} result "yes", "no" or "" while open
 */

const OPEN = new Set(["active", "inactive", "initialized"]);

/**
 * The middle of bid and ask, else the last price; twice the units, so that half a unit is exact.
 * @param {Outcome} outcome
 */
export function chanceTwice({ bid, ask, last }) {
  if (bid !== null && ask !== null) return bid + ask;
  return last === null ? null : 2 * last;
}

/**
 * Sums over the outcomes that are not over; null when one has no such price. Bids leave out outcomes that
 * nobody bids for: what cannot be sold brings nothing.
 * @param {Outcome[]} outcomes
 */
export function setPrices(outcomes) {
  const alive = outcomes.filter((one) => OPEN.has(one.status));
  const bids = alive.flatMap((one) => (one.bid === null ? [] : [one.bid]));
  const asks = alive.flatMap((one) => (one.ask === null ? [] : [one.ask]));
  const chances = alive.flatMap((one) => chanceTwice(one) ?? []);
  const isWhole = (/** @type {number[]} */ list) => alive.length > 0 && list.length === alive.length;
  return {
    bids: bids.length ? sum(bids) : null,
    asks: isWhole(asks) ? sum(asks) : null,
    chancesTwice: isWhole(chances) ? sum(chances) : null,
  };
}

/**
 * Best prices of a mutually exclusive set that do not fit together, in words, before fees; else null.
 * The exchange promises that at most one outcome of such a set wins, not that one does.
 * @param {Outcome[]} outcomes
 * @param {boolean} isExclusive
 * @returns {{side: "bid" | "ask", title: string, text: string} | null}
 */
export function setMark(outcomes, isExclusive) {
  if (!isExclusive || outcomes.length < 2 || outcomes.some((one) => one.result === "yes")) return null;
  const sold = outcomes.filter((one) => one.status === "active" && one.bid !== null);
  const bids = sum(sold.map((one) => one.bid ?? 0));
  if (bids > DOLLAR) {
    const sets = Math.min(...sold.map((one) => one.bidSize ?? 0));
    return {
      side: "bid",
      title: `Bids add up to ${cents(bids)}, more than 100¢`,
      text:
        `Selling YES of these ${sold.length} outcomes brings ${cents(bids)} a set, and at most one of them pays out ` +
        `100¢: ${cents(bids - DOLLAR)} a set before fees, for ${formatCount(sets)} sets at the best bids.`,
    };
  }
  // An outcome that has lost already needs no contract; any other one that cannot be bought leaves a hole.
  const needed = outcomes.filter((one) => one.result !== "no" && one.status !== "unlisted");
  if (needed.length < 2 || needed.some((one) => one.status !== "active" || one.ask === null)) return null;
  const asks = sum(needed.map((one) => one.ask ?? 0));
  if (asks >= DOLLAR) return null;
  const sets = Math.min(...needed.map((one) => one.askSize ?? 0));
  return {
    side: "ask",
    title: `Asks add up to ${cents(asks)}, less than 100¢`,
    text:
      `Buying YES of all ${needed.length} outcomes costs ${cents(asks)} a set and pays 100¢ if one of them wins: ` +
      `${cents(DOLLAR - asks)} a set before fees, for ${formatCount(sets)} sets at the best asks. At most one can win; ` +
      "check in the rules that one must.",
  };
}

/** @param {number} units "97.4¢", "103¢" */
function cents(units) {
  const text = formatFixed(units, 2, 2);
  return `${text.replace(/\.?0+$/, "")}¢`;
}

/** @param {number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
