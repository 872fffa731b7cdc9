/** What a new price and rest mean for a resting order: an amend, a decrease, or nothing. No DOM. */
import { DOLLAR, formatCount, formatPrice, fromUnits } from "../core/fixed.js";
import { readCount, readPrice } from "../market/ticket-model.js";

/** @typedef {import("./row-model.js").BlotterRow} BlotterRow */
/**
 * @typedef {object} Change
 * @property {"order.amend" | "order.decrease" | ""} command "": nothing to send
 * @property {Record<string, any>} params of the command, without its key
 * @property {string} words what it does
 * @property {Record<string, string>} faults by field: "price", "rest"
 */

/** The price as it is typed: "21", "21.5". @param {number} units */
export const centsText = (units) =>
  formatPrice(units, { step: units % 100 ? (units % 10 ? 1 : 10) : 100, unit: false });

/** The same for a field of the form, where a bare number below one would be dollars. @param {number} units */
export const fieldText = (units) => (units < 100 ? `${centsText(units)}c` : centsText(units));

/**
 * @param {BlotterRow} row as the person sees it
 * @param {{price: string, rest: string}} typed price in the prices of what was entered; rest: contracts left to fill
 * @param {{mayAmend: boolean}} rights without it an order can only be made smaller
 * @returns {Change}
 */
export function readChange(row, typed, { mayAmend }) {
  const [priced, counted] = [readPrice(typed.price), readCount(typed.rest)];
  const price = "units" in priced ? priced.units : null;
  const rest = "units" in counted ? counted.units : null;
  /** @type {Record<string, string>} */
  const faults = {};
  if ("error" in priced) faults["price"] = priced.error;
  if ("error" in counted) faults["rest"] = `${counted.error} To take all off, cancel it.`;
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
