/**
 * What the ladder shows, without any DOM: levels by price, seen from the YES or the NO side.
 *
 * A book carries the bids of both sides, each in its own prices. Seen from YES, an ask at p is a
 * NO bid at one dollar less p; seen from NO it is the other way round. Units: price 1/10,000
 * dollar, count 1/100 contract.
 */
import { DOLLAR, formatCount, toUnits } from "../core/fixed.js";
import { stepFrom } from "./grid.js";

/**
 * @typedef {"yes" | "no"} Side
 * @typedef {{yes: [string, string][], no: [string, string][]}} BookFrame
 * @typedef {{bid: number, ask: number, bidDepth: number, askDepth: number}} Level
 * @typedef {{bids: Map<number, number>, asks: Map<number, number>, bestBid: number | null,
 *   bestAsk: number | null}} SideBook
 * @typedef {{id: string, side: "bid" | "ask", price: number, remaining: number, state: string,
 *   queue?: number | null, isChanging?: boolean}} OwnOrder `queue`: contracts ahead of it, where known
 */

/**
 * @param {BookFrame} frame
 * @param {Side} view
 * @returns {SideBook}
 */
export function sideBook(frame, view) {
  const own = view === "yes" ? frame.yes : frame.no;
  const other = view === "yes" ? frame.no : frame.yes;
  const bids = new Map();
  const asks = new Map();
  let bestBid = null;
  let bestAsk = null;
  for (const [price, count] of own) {
    const units = toUnits(price, 4);
    bids.set(units, toUnits(count, 2));
    if (bestBid === null || units > bestBid) bestBid = units;
  }
  for (const [price, count] of other) {
    const units = DOLLAR - toUnits(price, 4);
    asks.set(units, toUnits(count, 2));
    if (bestAsk === null || units < bestAsk) bestAsk = units;
  }
  return { bids, asks, bestBid, bestAsk };
}

/**
 * The prices that hold contracts, with the depth summed from the best price outwards. A level off the
 * grid (an old one after a change of grid) is there too.
 * @param {SideBook} book
 * @returns {Map<number, Level>}
 */
export function bookLevels(book) {
  /** @type {Map<number, Level>} */
  const levels = new Map();
  const at = (/** @type {number} */ price) => {
    const known = levels.get(price);
    if (known) return known;
    const made = { bid: 0, ask: 0, bidDepth: 0, askDepth: 0 };
    levels.set(price, made);
    return made;
  };
  let depth = 0;
  for (const [price, count] of [...book.asks].sort((one, other) => one[0] - other[0])) {
    depth += count;
    Object.assign(at(price), { ask: count, askDepth: depth });
  }
  depth = 0;
  for (const [price, count] of [...book.bids].sort((one, other) => other[0] - one[0])) {
    depth += count;
    Object.assign(at(price), { bid: count, bidDepth: depth });
  }
  return levels;
}

const BAR_STEPS = [100, 150, 200, 300, 400, 600, 800, 1_000];

/**
 * The count that a full bar stands for: a round number at or above the largest level, so that the bars of a
 * whole book are drawn anew only when it outgrows the scale, not with each change.
 * @param {number} largest units
 */
export function barScale(largest) {
  let power = 1;
  while (power * 1_000 < largest) power *= 10;
  return power * /** @type {number} */ (BAR_STEPS.find((step) => power * step >= largest));
}

/**
 * Own working contracts by price and column, as seen from this side.
 * @param {OwnOrder[]} orders sides and prices of the YES leg
 * @param {Side} view
 * @returns {Map<number, {bid: number, ask: number, orders: OwnOrder[]}>}
 */
export function ownByPrice(orders, view) {
  const rows = new Map();
  for (const order of orders) {
    if (order.remaining <= 0) continue;
    const price = view === "yes" ? order.price : DOLLAR - order.price;
    const isBid = (order.side === "bid") === (view === "yes");
    const row = rows.get(price) ?? { bid: 0, ask: 0, orders: [] };
    row[isBid ? "bid" : "ask"] += order.remaining;
    row.orders.push(order);
    rows.set(price, row);
  }
  return rows;
}

/**
 * The price that the ladder centres on: the middle of the spread, else the last trade, else 50c.
 * @param {SideBook} book
 * @param {number | null} last
 */
export function centrePrice(book, last) {
  if (book.bestBid !== null && book.bestAsk !== null) return (book.bestBid + book.bestAsk) / 2;
  return book.bestBid ?? book.bestAsk ?? last ?? DOLLAR / 2;
}

/**
 * Where an order would join the best price of a side, or improve on it by one tick. Improving never
 * crosses: in a spread of one tick it joins. Null when that side is empty.
 * @param {SideBook} book
 * @param {number[]} prices the grid as seen from this side, ascending
 * @param {"bid" | "ask"} side
 * @param {boolean} isImproving
 */
export function bestPrice(book, prices, side, isImproving) {
  const best = side === "bid" ? book.bestBid : book.bestAsk;
  if (best === null || !isImproving) return best;
  const better = stepFrom(prices, best, side === "bid" ? 1 : -1);
  const other = side === "bid" ? book.bestAsk : book.bestBid;
  const wouldCross = other !== null && (side === "bid" ? better >= other : better <= other);
  return wouldCross ? best : better;
}

/**
 * What a book without one or both of its sides means, in words; "" for a book with both.
 * @param {SideBook} book
 * @param {Side} view
 */
export function bookWords(book, view) {
  const name = view.toUpperCase();
  if (book.bestBid === null && book.bestAsk === null) return "no orders in this book yet";
  if (book.bestAsk === null) return `nobody sells ${name}`;
  if (book.bestBid === null) return `nobody bids for ${name}`;
  return "";
}

/** "999", "1.2k", "35k", "1.4m": for places too narrow for the whole number. @param {number} units */
export function compactCount(units) {
  if (units < 100_000) return formatCount(units < 10_000 ? units : Math.round(units / 100) * 100);
  const [size, sign] = units < 100_000_000 ? [100_000, "k"] : [100_000_000, "m"];
  const tenths = Math.floor((units * 10) / size);
  return `${tenths < 100 && tenths % 10 ? (tenths / 10).toFixed(1) : Math.floor(tenths / 10)}${sign}`;
}
