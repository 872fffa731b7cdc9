/** What a new price and rest mean for a resting order: an amend, a decrease, or nothing. No DOM. */
import { DOLLAR, formatCount, formatPrice, fromUnits, toUnits } from "../core/fixed.js";

/** @typedef {import("./row-model.js").BlotterRow} BlotterRow */
/**
 * @typedef {object} Change
 * @property {"order.amend" | "order.decrease" | ""} command "": nothing to send
 * @property {Record<string, any>} params of the command, without its key
 * @property {string} words what it does
 * @property {Record<string, string>} faults by field: "price", "rest"
 */

/** "21", "21.5", "21,5" or "21.5¢" in 1/10,000 dollar; null when it is not a price. @param {string} text */
export function readCents(text) {
  try {
    const units = toUnits(
      text
        .trim()
        .replace(/\s*[c¢]$/, "")
        .replace(",", "."),
      2,
    );
    return units > 0 && units < DOLLAR ? units : null;
  } catch {
    return null;
  }
}

/** "1,250" or "0.5" in 1/100 contract; null when it is not a count above zero. @param {string} text */
export function readCount(text) {
  try {
    const units = toUnits(text.trim().replaceAll(",", ""), 2);
    return units > 0 ? units : null;
  } catch {
    return null;
  }
}

/** The price as it is typed: "21", "21.5". @param {number} units */
export const centsText = (units) =>
  formatPrice(units, { step: units % 100 ? (units % 10 ? 1 : 10) : 100, unit: false });

/**
 * @param {BlotterRow} row as the person sees it
 * @param {{price: string, rest: string}} typed price in the prices of what was entered; rest: contracts left to fill
 * @param {{mayAmend: boolean}} rights without it an order can only be made smaller
 * @returns {Change}
 */
export function readChange(row, typed, { mayAmend }) {
  const price = readCents(typed.price);
  const rest = readCount(typed.rest);
  /** @type {Record<string, string>} */
  const faults = {};
  if (price === null) faults["price"] = "Give the price in cents between 0 and 100, for example 21.5.";
  if (rest === null) faults["rest"] = "Give the contracts left to fill, for example 40. To take all off, cancel it.";
  if (price === null || rest === null) return { command: "", params: {}, words: "", faults };
  const filled = row.filled ?? 0;
  const remaining = row.remaining ?? 0;
  const inAll = fromUnits(filled + remaining, 2);
  const seen = { price: fromUnits(row.yesPrice, 4), count: inAll, filled: fromUnits(filled, 2) };
  const base = { order_id: row.orderId, seen };
  if (price === row.price && rest === remaining)
    return { command: "", params: {}, words: "Nothing changes yet.", faults };
  if (price === row.price && rest < remaining) {
    const words = `Decrease to ${formatCount(rest)} left. It keeps its place in the queue.`;
    return { command: "order.decrease", params: { ...base, remaining: fromUnits(rest, 2) }, words, faults };
  }
  if (!mayAmend) {
    faults[price === row.price ? "rest" : "price"] = "Your roles allow you to make an order smaller, nothing else.";
    return { command: "", params: {}, words: "", faults };
  }
  const total = filled + rest;
  const yes = row.isInNo ? DOLLAR - price : price;
  const sums = filled
    ? `${formatCount(total)} in all: ${formatCount(filled)} filled, ${formatCount(rest)} left`
    : `${formatCount(rest)} left`;
  return {
    command: "order.amend",
    params: { ...base, price: fromUnits(yes, 4), count: fromUnits(total, 2) },
    words: `Amend to ${centsText(price)}¢, ${sums}. It goes to the end of the queue. What fills meanwhile makes the rest smaller, never the total larger.`,
    faults,
  };
}
