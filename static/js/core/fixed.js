/**
 * Exact numbers in the browser: integers of the smallest unit, never a binary fraction.
 * Prices: 1/10,000 dollar (4 places). Contracts: 1/100 (2 places). Money: 1/1,000,000 dollar (6 places).
 */

/** @typedef {"cents" | "dollars" | "percent" | "american"} PriceFormat */

export const PRICE_PLACES = 4;
export const COUNT_PLACES = 2;
export const MONEY_PLACES = 6;
export const DOLLAR = 10_000; // one dollar in price units

/**
 * Parse "0.5600" with places=4 into 5600. Throws RangeError on anything but a plain decimal, on more
 * decimals than `places`, and on what an integer of JavaScript cannot hold exactly.
 * @param {string} text
 * @param {number} places
 * @returns {number}
 */
export function toUnits(text, places) {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (!match || (match[3] ?? "").length > places) throw new RangeError(`not a fixed-point value: ${text}`);
  const units = Number((match[2] ?? "") + (match[3] ?? "").padEnd(places, "0"));
  if (!Number.isSafeInteger(units)) throw new RangeError(`too large: ${text}`);
  return match[1] && units ? -units : units;
}

/**
 * The inverse: 5600 with places=4 gives "0.5600", the form that every wire of the desk uses.
 * @param {number} units
 * @param {number} places
 */
export function fromUnits(units, places) {
  if (!Number.isSafeInteger(units)) throw new RangeError(`not an integer of units: ${units}`);
  const digits = String(Math.abs(units)).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  return (units < 0 ? "-" : "") + (places ? `${whole}.${digits.slice(-places)}` : whole);
}

/** @param {string} whole */
function grouped(whole) {
  return whole.replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * Units of 10^-places with `shown` decimals, thousands grouped. Rounds half away from zero, for showing only.
 * @param {number} units
 * @param {number} places
 * @param {number} shown
 */
export function formatFixed(units, places, shown) {
  const scale = 10 ** Math.max(0, places - shown);
  const magnitude = Math.abs(units);
  const rounded = Math.floor(magnitude / scale) + (2 * (magnitude % scale) >= scale && scale > 1 ? 1 : 0);
  const [whole = "0", fraction] = fromUnits(rounded, Math.min(places, shown)).split(".");
  const tail = fraction === undefined ? "" : `.${fraction}`;
  return `${units < 0 && rounded ? "-" : ""}${grouped(whole)}${tail}`;
}

/**
 * How many decimals of a cent a tick needs: 100 (1 cent) none, 10 one, 1 two.
 * @param {number} step price units; the finest step of the market's grid
 */
export function centDecimals(step) {
  if (step % 100 === 0) return 0;
  return step % 10 === 0 ? 1 : 2;
}

/**
 * A price as the person likes it, in the market's own tick.
 * @param {number} units price units; the probability in 1/10,000
 * @param {{format?: PriceFormat, step?: number, unit?: boolean}} [options] unit: with its sign (default)
 */
export function formatPrice(units, { format = "cents", step = 100, unit = true } = {}) {
  const decimals = centDecimals(step);
  switch (format) {
    case "dollars":
      return (unit ? "$" : "") + formatFixed(units, PRICE_PLACES, 2 + decimals);
    case "percent":
      return formatFixed(units, 2, decimals) + (unit ? "%" : "");
    case "american":
      return formatAmerican(units);
    default:
      return formatFixed(units, 2, decimals) + (unit ? "¢" : "");
  }
}

/**
 * American odds of a price: what 100 dollars win, or what wins 100 dollars. "-" at 0 and 1, where there are none.
 * @param {number} units
 */
export function formatAmerican(units) {
  if (units <= 0 || units >= DOLLAR) return "-";
  const rest = DOLLAR - units;
  return units >= rest ? `-${Math.round((100 * units) / rest)}` : `+${Math.round((100 * rest) / units)}`;
}

/**
 * Contracts: decimals only when fractional.
 * @param {number} units 1/100 contract
 */
export function formatCount(units) {
  return formatFixed(units, COUNT_PLACES, units % 100 === 0 ? 0 : 2);
}

/**
 * Dollars with cents; `signed` puts "+" before a gain.
 * @param {number} units
 * @param {{places?: number, signed?: boolean}} [options] places of `units` (6: money, 4: price)
 */
export function formatMoney(units, { places = MONEY_PLACES, signed = false } = {}) {
  const text = formatFixed(Math.abs(units), places, 2);
  const isZero = /^[0.]*$/.test(text);
  const sign = isZero ? "" : units < 0 ? "-" : signed ? "+" : "";
  return `${sign}$${text}`;
}
