/**
 * What the ladder shows, without any DOM: rows by price, seen from the YES or the NO side.
 *
 * A book carries the bids of both sides, each in its own prices. Seen from YES, an ask at p is a
 * NO bid at one dollar less p; seen from NO it is the other way round. Units: price 1/10,000
 * dollar, count 1/100 contract.
 */
import { DOLLAR, toUnits } from "../core/fixed.js";

/**
 * @typedef {"yes" | "no"} Side
 * @typedef {{yes: [string, string][], no: [string, string][]}} BookFrame
 * @typedef {{price: number, bid: number, ask: number, bidDepth: number, askDepth: number}} Row
 * @typedef {{bids: Map<number, number>, asks: Map<number, number>, bestBid: number | null,
 *   bestAsk: number | null}} SideBook
 * @typedef {{id: string, side: "bid" | "ask", price: number, remaining: number, state: string}} OwnOrder
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
 * Rows of the whole grid, highest price first, with the depth summed from the best price outwards.
 * A level off the grid (an old one after a change of grid) still gets its row.
 * @param {number[]} prices the grid as seen from this side, ascending
 * @param {SideBook} book
 * @returns {Row[]}
 */
export function ladderRows(prices, book) {
  const all = new Set(prices);
  for (const price of book.bids.keys()) all.add(price);
  for (const price of book.asks.keys()) all.add(price);
  const ascending = [...all].sort((a, b) => a - b);
  /** @type {Map<number, Row>} */
  const rows = new Map();
  let askDepth = 0;
  for (const price of ascending) {
    const ask = book.asks.get(price) ?? 0;
    askDepth += ask;
    rows.set(price, { price, bid: 0, ask, bidDepth: 0, askDepth: ask ? askDepth : 0 });
  }
  let bidDepth = 0;
  for (const price of [...ascending].reverse()) {
    const row = /** @type {Row} */ (rows.get(price));
    row.bid = book.bids.get(price) ?? 0;
    bidDepth += row.bid;
    row.bidDepth = row.bid ? bidDepth : 0;
  }
  return ascending.reverse().map((price) => /** @type {Row} */ (rows.get(price)));
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
