/**
 * What a position is worth, in integers: contracts 1/100, money 1/1,000,000 dollar, prices 1/10,000.
 *
 * A position is positive for YES and negative for NO contracts; `cost` is what the open ones cost.
 */
import { DOLLAR, toUnits } from "../core/fixed.js";

/**
 * @typedef {{position: string, cost: string, realized_pnl: string, fees_paid: string}} PositionRow
 * @typedef {{side: "yes" | "no" | "flat", count: number, average: number | null, mark: number | null,
 *   unrealised: number | null, realised: number, fees: number, ifYes: number, ifNo: number}} PositionView
 */

/**
 * @param {PositionRow | null} row
 * @param {{bestBid: number | null, bestAsk: number | null}} yesBook of the YES side
 * @returns {PositionView}
 */
export function positionView(row, yesBook) {
  if (!row) {
    return {
      side: "flat",
      count: 0,
      average: null,
      mark: null,
      unrealised: null,
      realised: 0,
      fees: 0,
      ifYes: 0,
      ifNo: 0,
    };
  }
  const position = toUnits(row.position, 2);
  const cost = toUnits(row.cost, 6);
  const count = Math.abs(position);
  const isYes = position > 0;
  // Micro-dollars of `count` contracts at a price: count/100 * price/10,000 * 1,000,000.
  const worth = (/** @type {number} */ price) => count * price;
  const mark = markOf(yesBook, isYes);
  return {
    side: position === 0 ? "flat" : isYes ? "yes" : "no",
    count,
    average: count ? Math.round(cost / count) : null,
    mark: count ? mark : null,
    unrealised: count && mark !== null ? worth(mark) - cost : null,
    realised: toUnits(row.realized_pnl, 6),
    fees: toUnits(row.fees_paid, 6),
    ifYes: (isYes ? worth(DOLLAR) : 0) - cost,
    ifNo: (position < 0 ? worth(DOLLAR) : 0) - cost,
  };
}

/** The middle of the spread in the position's own prices; the one side there is, when there is one. */
/** @param {{bestBid: number | null, bestAsk: number | null}} book @param {boolean} isYes */
function markOf(book, isYes) {
  const { bestBid, bestAsk } = book;
  const mid = bestBid !== null && bestAsk !== null ? Math.round((bestBid + bestAsk) / 2) : (bestBid ?? bestAsk);
  return mid === null ? null : isYes ? mid : DOLLAR - mid;
}
