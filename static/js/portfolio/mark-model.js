/**
 * At what YES price open contracts are valued. The same rule as apps/portfolio/figures_marks.py: the result; the middle
 * of best bid and ask; the one side that is quoted; the last trade; nothing. Prices in 1/10,000 dollar.
 */
import { DOLLAR, toUnits } from "../core/fixed.js";

/**
 * @typedef {object} MarketFacts
 * @property {string} ticker
 * @property {string} outcome
 * @property {string} event
 * @property {string} eventTitle
 * @property {string} series
 * @property {string} seriesTitle
 * @property {string} category
 * @property {boolean} isExclusive
 * @property {number | null} closeMs
 * @property {number | null} settlesMs
 * @property {string} status
 * @property {string} result
 * @property {string | null} value of a YES contract, dollars
 */
/**
 * @typedef {object} Mark
 * @property {"result" | "mid" | "one_side" | "last" | "none"} kind
 * @property {number | null} price of YES; null: none, or void
 * @property {boolean} isVoid contracts are worth what they cost
 * @property {number | null} atMs when it last changed
 * @property {string} from in words
 */

/** @type {Mark} */
export const NO_MARK = { kind: "none", price: null, isVoid: false, atMs: null, from: "nobody has quoted or traded it" };

/** @param {string | null | undefined} raw */
const units = (raw) => (raw === null || raw === undefined ? null : toUnits(raw, 4));

/**
 * @param {Pick<MarketFacts, "result" | "value"> | null} facts
 * @param {{yes: [string, string][], no: [string, string][], state?: string, recv_ms?: number} | null} book
 * @param {Record<string, any> | undefined} row of the live tickers
 * @returns {Mark}
 */
export function markOf(facts, book, row) {
  const known = facts ? resultOf(facts) : null;
  if (known) return known;
  const last = units(row?.["last"]);
  const rowMs = row ? Math.floor(row["v"] / 1000) : null;
  if (book && book.state !== "down" && (book.yes.length || book.no.length)) {
    const noBid = units(book.no.at(-1)?.[0]);
    const bid = units(book.yes.at(-1)?.[0]);
    return quoted(bid, noBid === null ? null : DOLLAR - noBid, last, book.recv_ms ?? rowMs, "the live book");
  }
  return row ? quoted(units(row["bid"]), units(row["ask"]), last, rowMs, "the market list's prices") : NO_MARK;
}

/** @param {Pick<MarketFacts, "result" | "value">} facts @returns {Mark | null} */
function resultOf({ result, value }) {
  if (!result) return null;
  const from = `the market's result, ${result}`;
  if (result === "void") return { kind: "result", price: null, isVoid: true, atMs: null, from };
  const price = result === "yes" ? DOLLAR : result === "no" ? 0 : units(value);
  return price === null ? null : { kind: "result", price, isVoid: false, atMs: null, from };
}

/**
 * @param {number | null} bid
 * @param {number | null} ask
 * @param {number | null} last
 * @param {number | null} atMs
 * @param {string} source
 * @returns {Mark}
 */
function quoted(bid, ask, last, atMs, source) {
  const told = { isVoid: false, atMs };
  if (bid !== null && ask !== null)
    return { kind: "mid", price: Math.round((bid + ask) / 2), from: `the middle of bid and ask of ${source}`, ...told };
  if (bid !== null) return { kind: "one_side", price: bid, from: `the bid of ${source}, nobody offers`, ...told };
  if (ask !== null) return { kind: "one_side", price: ask, from: `the ask of ${source}, nobody bids`, ...told };
  if (last !== null) return { kind: "last", price: last, from: "the last trade, nobody quotes", ...told };
  return NO_MARK;
}
