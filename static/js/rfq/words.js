/** Prices, sizes and times of the RFQ desk in words. No DOM here. */
import { formatAge } from "../core/age.js";
import { formatCountdown } from "../core/clock.js";
import { formatCount, formatFixed, formatMoney, formatPrice, toUnits } from "../core/fixed.js";
import { subjectOutcomeFirst } from "./confirm/words.js";

/** @typedef {Record<string, any>} Row a row of `rfqs:<account>`, docs/rfq.md */
/** @typedef {{format: import("../core/fixed.js").PriceFormat, zone: string}} Look how the person likes numbers and times */
/** @typedef {"yes" | "no"} Outcome */

/** @type {Outcome[]} */
export const OUTCOMES = ["yes", "no"];

/**
 * The finest step that shows all of these prices exactly: whole cents, tenths or hundredths.
 * @param {(string | null | undefined)[]} prices
 */
export function stepOf(prices) {
  let step = 100;
  for (const raw of prices) {
    if (!raw) continue;
    const units = toUnits(raw, 4);
    if (units % 10 !== 0) return 1;
    if (units % 100 !== 0) step = 10;
  }
  return step;
}

/** The step for everything that is shown of one request. @param {Row} row */
export function stepOfRow(row) {
  return stepOf((row["quotes"] ?? []).flatMap((/** @type {Row} */ quote) => [quote["buy_yes"], quote["buy_no"]]));
}

/** @param {string} raw dollars @param {Look} look @param {number} [step] */
export function priceText(raw, look, step = stepOf([raw])) {
  return formatPrice(toUnits(raw, 4), { format: look.format, step });
}

/** Always in cents, whatever the person likes: a difference has no odds. @param {string} raw @param {number} [step] */
export function differenceText(raw, step = 10) {
  const units = toUnits(raw, 4);
  const sign = units > 0 ? "+" : units < 0 ? "-" : "";
  // As fine as it is, whatever the market's step: an average over a book lies between the steps.
  const decimals = units % 10 !== 0 ? 2 : units % 100 !== 0 || step < 100 ? 1 : 0;
  return `${sign}${formatFixed(Math.abs(units), 2, decimals)}¢`;
}

/** @param {string} raw */
export const countText = (raw) => formatCount(toUnits(raw, 2));

/** @param {string} raw @param {{signed?: boolean}} [options] */
export const moneyText = (raw, options) => formatMoney(toUnits(raw, 6), options);

/** Dollars without cents where there are none to speak of: in tight places. @param {number} micro */
export function shortMoney(micro) {
  const isWhole = Math.abs(micro) >= 100_000_000;
  return `${micro < 0 ? "-" : ""}$${formatFixed(Math.abs(micro), 6, isWhole ? 0 : 2)}`;
}

/** Micro-dollars of a price for a number of contracts; exact. @param {string} price @param {string} contracts */
export function timesMicro(price, contracts) {
  const product = BigInt(toUnits(price, 4)) * BigInt(toUnits(contracts, 2));
  return Number(product);
}

/** "2,500 contracts" or "$5,000 target". @param {Row} row */
export function sizeText(row) {
  if (row["contracts"] !== null && row["contracts"] !== undefined) {
    const one = row["contracts"] === "1.00";
    return `${countText(row["contracts"])} contract${one ? "" : "s"}`;
  }
  return row["target_cost"] ? `${formatMoney(toUnits(row["target_cost"], 6)).replace(/\.00$/, "")} target` : "";
}

/** @param {number} count */
export const quotesText = (count) => `${count} quote${count === 1 ? "" : "s"}`;

/** "01:12" below an hour, "2:04:11" above, "0.7 s" under ten seconds. @param {number} leftMs */
export function shortCountdown(leftMs) {
  if (leftMs < 10_000) return leftMs <= 0 ? "0.0 s" : formatCountdown(leftMs);
  return formatCountdown(leftMs).replace(/^00:/, "");
}

/** @param {number} ms */
export const ageText = (ms) => formatAge(ms);

/** @type {Map<string, Intl.DateTimeFormat>} */
const clocks = new Map();

/** "15:08:41" in the person's zone. @param {number} ms @param {string} zone */
export function timeText(ms, zone) {
  let clock = clocks.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeStyle: "medium", hourCycle: "h23" });
    clocks.set(zone, clock);
  }
  return clock.format(ms);
}

/** A title, first what tells it from its neighbours. @param {Row} row @returns {string[]} one part, or one for each leg */
export function titleParts(row) {
  if (!row["is_combo"] || !row["legs"]?.length)
    return [subjectOutcomeFirst({ title: row["title"] ?? "", ticker: row["ticker"] })];
  return row["legs"].map(legText);
}

/** "KC wins", or "not KC wins" for the NO side. @param {Row} leg */
export function legText(leg) {
  const title = String(leg["title"] ?? leg["market_ticker"]);
  const outcome = title.includes(": ") ? title.slice(title.lastIndexOf(": ") + 2) : title;
  return leg["side"] === "no" ? `not ${outcome}` : outcome;
}

/**
 * Why nothing can be sent or accepted now, in words; "" when it can.
 * @param {{feed: string, feedWords: string, pause: string, exchangeActive?: boolean | null, tradingActive?: boolean | null}} facts
 */
export function blockWords({ feed, feedWords, pause, exchangeActive, tradingActive }) {
  if (pause) return pause;
  if (feed !== "live")
    return feedWords ? `Requests and quotes are not live (${feedWords})` : "Requests and quotes are not live";
  if (exchangeActive === false) return "The exchange is closed";
  if (tradingActive === false) return "Trading is paused at the exchange";
  return "";
}
