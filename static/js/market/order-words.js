/** Which order a place on the ladder means, and how it is said. No DOM here. */
import { DOLLAR, formatCount, formatPrice } from "../core/fixed.js";
import { SIDE_WORDS } from "./ticket-model.js";

/** @typedef {import("./ticket-model.js").TicketSide} TicketSide */
/** @typedef {{side: TicketSide, price: number}} Wanted price in the side's own prices */

/**
 * The bid column buys what the ladder shows, the ask column sells it. Without contracts to sell, selling
 * one outcome is buying the other at a dollar less its price, and is called that.
 * @param {"yes" | "no"} view
 * @param {"bid" | "ask"} column
 * @param {number} price as seen from this view
 * @param {number} position 1/100 contract, positive for YES
 * @returns {Wanted}
 */
export function orderAt(view, column, price, position) {
  const isYes = view === "yes";
  if (column === "bid") return { side: isYes ? "buy_yes" : "buy_no", price };
  const holds = isYes ? position > 0 : position < 0;
  if (holds) return { side: isYes ? "sell_yes" : "sell_no", price };
  return { side: isYes ? "buy_no" : "buy_yes", price: DOLLAR - price };
}

/**
 * "Buy 100 YES at 42¢"
 * @param {Wanted} wanted
 * @param {number} count units
 * @param {{format?: import("../core/fixed.js").PriceFormat, step?: number}} look
 */
export function orderWords(wanted, count, look) {
  const [verb, outcome] = SIDE_WORDS[wanted.side].split(" ");
  return `${verb} ${formatCount(count)} ${outcome} at ${formatPrice(wanted.price, look)}`;
}
