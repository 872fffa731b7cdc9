/**
 * The prices that a market allows, from its `price_ranges`. Integers of 1/10,000 dollar.
 *
 * A range runs from `start` to `end` in steps of `step`; 0 and 1 dollar are never order prices.
 */
import { DOLLAR, formatPrice, toUnits } from "../core/fixed.js";

/**
 * @param {{start: string, end: string, step: string}[]} ranges
 * @returns {number[]} ascending, without duplicates
 */
export function gridPrices(ranges) {
  const prices = new Set();
  for (const range of ranges) {
    const step = toUnits(range.step, 4);
    if (step <= 0) throw new RangeError(`a step must be positive: ${range.step}`);
    const end = toUnits(range.end, 4);
    for (let price = toUnits(range.start, 4); price <= end; price += step) {
      if (price > 0 && price < DOLLAR) prices.add(price);
    }
  }
  return [...prices].sort((a, b) => a - b);
}

/**
 * The same grid as seen from the NO side: a NO price is one dollar less the YES price.
 * @param {number[]} prices
 */
export function mirrored(prices) {
  return prices.map((price) => DOLLAR - price).reverse();
}

/**
 * The grid price `steps` away from `price`; a price between two grid prices moves to the next one
 * in the direction of the step.
 * @param {number[]} prices ascending
 * @param {number} price
 * @param {number} steps positive is up
 */
export function stepFrom(prices, price, steps) {
  if (prices.length === 0 || steps === 0) return price;
  let index = steps > 0 ? prices.findIndex((each) => each > price) - 1 : prices.findIndex((each) => each >= price);
  if (steps > 0 && index === -2) index = prices.length - 1;
  if (steps < 0 && index === -1) index = prices.length;
  const wanted = Math.max(0, Math.min(prices.length - 1, index + steps));
  return prices[wanted] ?? price;
}

/**
 * The step that a price is shown with: the market's, or a finer one where the price lies off the grid (an order of
 * before a change of grid), because a rounded price would be another price.
 * @param {number} step price units
 * @param {number} price price units
 */
export function shownStep(step, price) {
  return Math.min(step, price % 100 === 0 ? 100 : price % 10 === 0 ? 10 : 1);
}

/**
 * The finest step of the grid, price units: it decides how many decimals prices are shown with.
 * @param {{step: string}[]} ranges
 */
export function finestStep(ranges) {
  return ranges.reduce((finest, range) => Math.min(finest, toUnits(range.step, 4)), 100);
}

/**
 * Every step of the grid in words, finest first: "0.1¢ to 1¢".
 * @param {{step: string}[]} ranges
 */
export function tickWords(ranges) {
  const steps = [...new Set(ranges.map(({ step }) => toUnits(step, 4)))].sort((a, b) => a - b);
  return steps.map((step) => formatPrice(step, { step })).join(" to ") || "not known yet";
}
