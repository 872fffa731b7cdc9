/** One row of the blotter in integer units, and how live values join it. Pure. */
import { COUNT_PLACES, PRICE_PLACES, toUnits } from "../core/fixed.js";

/**
 * @typedef {object} MarketRow prices in 1/10,000 dollar, counts in 1/100 contract, null: not known or nobody quotes
 * @property {string} ticker
 * @property {string} url
 * @property {string} title
 * @property {string} event
 * @property {string} eventUrl
 * @property {string} category
 * @property {number} step finest tick
 * @property {number} v version of the newest source
 * @property {number | null} bid
 * @property {number | null} ask
 * @property {number | null} bidSize
 * @property {number | null} askSize
 * @property {number | null} last
 * @property {number | null} previous last price of the day before
 * @property {number | null} volume
 * @property {number | null} volume24h as of the last catalogue sync
 * @property {number | null} openInterest
 * @property {string} status
 * @property {number | null} closeMs
 * @property {number | null} reward of the exchange's programs that run, millionths of a dollar
 * @property {boolean} starred
 * @property {number | null} position positive YES, negative NO
 */

/** @param {string | null | undefined} text @param {number} places */
function units(text, places) {
  return text === null || text === undefined || text === "" ? null : toUnits(text, places);
}

/** @param {string | null | undefined} text */
export const priceUnits = (text) => units(text, PRICE_PLACES);
/** @param {string | null | undefined} text */
export const countUnits = (text) => units(text, COUNT_PLACES);

/** @param {Record<string, any>} raw a row of rows.json @returns {MarketRow} */
export function fromServer(raw) {
  return {
    ticker: raw["ticker"],
    url: raw["url"],
    title: raw["title"],
    event: raw["event"],
    eventUrl: raw["event_url"],
    category: raw["category"],
    step: toUnits(raw["step"], PRICE_PLACES),
    v: raw["v"],
    bid: priceUnits(raw["bid"]),
    ask: priceUnits(raw["ask"]),
    bidSize: countUnits(raw["bid_size"]),
    askSize: countUnits(raw["ask_size"]),
    last: priceUnits(raw["last"]),
    previous: priceUnits(raw["previous"]),
    volume: countUnits(raw["volume"]),
    volume24h: countUnits(raw["volume_24h"]),
    openInterest: countUnits(raw["open_interest"]),
    status: raw["status"],
    closeMs: raw["close_ms"],
    reward: units(raw["reward"], 6),
    starred: raw["starred"],
    position: null,
  };
}

/**
 * Lay a live row of `tickers:<env>` over a row; the same object when it says nothing newer.
 * @param {MarketRow} row
 * @param {Record<string, any> | undefined} live
 * @returns {MarketRow}
 */
export function withLive(row, live) {
  if (!live || live["v"] <= row.v) return row;
  return {
    ...row,
    v: live["v"],
    bid: priceUnits(live["bid"]),
    ask: priceUnits(live["ask"]),
    bidSize: countUnits(live["bid_size"]),
    askSize: countUnits(live["ask_size"]),
    last: priceUnits(live["last"]) ?? row.last,
    volume: countUnits(live["volume"]) ?? row.volume,
    openInterest: countUnits(live["open_interest"]) ?? row.openInterest,
    status: live["status"] ?? row.status,
    closeMs: live["close_ms"] ?? row.closeMs,
  };
}

/**
 * @param {MarketRow} row
 * @param {number | null} position
 * @returns {MarketRow}
 */
export function withPosition(row, position) {
  return row.position === position ? row : { ...row, position };
}

/** @param {{bid: number | null, ask: number | null}} row */
export function spreadOf({ bid, ask }) {
  return bid === null || ask === null ? null : ask - bid;
}

/** Last price less the day before's. @param {{last: number | null, previous: number | null}} row */
export function changeOf({ last, previous }) {
  return last === null || previous === null ? null : last - previous;
}

const STATUS_WORDS = /** @type {Record<string, string>} */ ({
  active: "open",
  initialized: "not open yet",
  inactive: "paused",
  determined: "result known",
  finalized: "settled",
});

/** @param {string} status the exchange's word; newer words show as they are */
export function statusWords(status) {
  return STATUS_WORDS[status] ?? status.replaceAll("_", " ");
}
