/** Prices, sizes and legs of requests in the words of the desk. Exact, without any DOM. */
import {
  COUNT_PLACES,
  MONEY_PLACES,
  PRICE_PLACES,
  formatCount,
  formatMoney,
  formatPrice,
  toUnits,
} from "../../core/fixed.js";

/** @typedef {import("../../core/fixed.js").PriceFormat} PriceFormat */
/** @typedef {{event_ticker?: string, market_ticker: string, side: string, title: string}} Leg */

/** @param {string | null | undefined} raw decimal text @param {number} places @returns {number | null} null: not known */
function units(raw, places) {
  if (raw === null || raw === undefined || raw === "") return null;
  try {
    return toUnits(raw, places);
  } catch {
    return null;
  }
}

/** 1/10,000 dollar. @param {string | null | undefined} raw */
export const priceUnits = (raw) => units(raw, PRICE_PLACES);
/** 1/100 contract. @param {string | null | undefined} raw */
export const countUnits = (raw) => units(raw, COUNT_PLACES);
/** 1/1,000,000 dollar. @param {string | null | undefined} raw */
export const moneyUnits = (raw) => units(raw, MONEY_PLACES);

/** The coarsest step that shows a price whole: 100 a cent, 10 a tenth, 1 a hundredth. @param {number} price */
export function stepOf(price) {
  if (price % 100 === 0) return 100;
  return price % 10 === 0 ? 10 : 1;
}

/** "38.2¢", with as many decimals as it has; "-" when not known. @param {string | null | undefined} raw @param {PriceFormat} format */
export function priceWords(raw, format) {
  const price = priceUnits(raw);
  return price === null ? "-" : formatPrice(price, { format, step: stepOf(price) });
}

/** In a column: at least tenths of a cent, no sign. @param {number | null} price @param {PriceFormat} format */
export function priceCell(price, format) {
  return price === null ? "-" : formatPrice(price, { format, step: Math.min(10, stepOf(price)), unit: false });
}

/** @param {string | null | undefined} raw contracts */
export function countWords(raw) {
  const count = countUnits(raw);
  return count === null ? "-" : formatCount(count);
}

/** "$1,904" or "$458.40". @param {string | null | undefined} raw */
export function moneyWords(raw) {
  const money = moneyUnits(raw);
  return money === null ? "-" : roundMoney(money);
}

/** Cents only where there are some. @param {number} money 1/1,000,000 dollar */
export function roundMoney(money) {
  const text = formatMoney(money);
  return text.endsWith(".00") ? text.slice(0, -3) : text;
}

/** What was asked for: "2,500", or "$1,000" of cost. @param {{contracts: string | null, target_cost: string | null}} row */
export function sizeWords({ contracts, target_cost: cost }) {
  if (countUnits(contracts)) return countWords(contracts);
  return cost === null || cost === undefined ? "-" : moneyWords(cost);
}

/** A position: "1,200 YES", "flat". @param {string | null | undefined} raw positive YES */
export function positionText(raw) {
  const position = countUnits(raw);
  if (position === null) return "not known";
  if (position === 0) return "flat";
  return `${formatCount(Math.abs(position))} ${position > 0 ? "YES" : "NO"}`;
}

/** What a leg says that its neighbours do not: the outcome at the end of its title. @param {Leg} leg */
function outcome({ title, market_ticker: ticker }) {
  const at = title.lastIndexOf(": ");
  return (at < 0 ? title : title.slice(at + 2)) || ticker;
}

/** A combo in one line: its outcomes. @param {Leg[]} legs */
export function legsShort(legs) {
  return legs.map((leg) => (leg.side === "no" ? "NO " : "") + outcome(leg)).join(" · ");
}

/** Legs as they read: "BUF wins · NO Under 44.5". @param {Leg[]} legs */
export function legsText(legs) {
  return legs
    .map(({ title, market_ticker: ticker, side }) => (side === "no" ? "NO " : "") + (title || ticker))
    .join(" · ");
}

/** What a request is about. @param {{title: string, ticker: string, legs?: Leg[] | null}} row */
export function subject(row) {
  return row.legs?.length ? legsShort(row.legs) : row.title || row.ticker;
}

/** The same for a narrow column, which cuts off the end: what tells it from its neighbours first. @param {{title: string, ticker: string, legs?: Leg[] | null}} row */
export function subjectOutcomeFirst(row) {
  const at = row.title?.lastIndexOf(": ") ?? -1;
  return row.legs?.length || at < 0 ? subject(row) : `${row.title.slice(at + 2)}, ${row.title.slice(0, at)}`;
}

/** "YES" or "NO". @param {string} side */
export const sideWords = (side) => (side === "yes" ? "YES" : side === "no" ? "NO" : "");
