/** The legs that are being put together: what may still be added, what contradicts, what they are worth. No DOM here. */
import { toUnits } from "../core/fixed.js";

/** @typedef {{event_ticker: string, market_ticker: string, side: "yes" | "no"}} Leg */
/** @typedef {Leg & {title: string}} NamedLeg */
/** @typedef {Record<string, any>} Row */

/**
 * Add a leg, take it away when it is there on the same side, or turn it to the other side.
 * @param {NamedLeg[]} legs
 * @param {NamedLeg} leg
 * @returns {NamedLeg[]}
 */
export function toggleLeg(legs, leg) {
  const at = legs.findIndex((one) => one.market_ticker === leg.market_ticker);
  if (at < 0) return [...legs, leg];
  if (legs[at]?.side === leg.side) return legs.filter((_, index) => index !== at);
  return legs.map((one, index) => (index === at ? leg : one));
}

/** @param {NamedLeg[]} legs @param {string} ticker @returns {NamedLeg[]} */
export const removeLeg = (legs, ticker) => legs.filter((one) => one.market_ticker !== ticker);

/** Only what the wire has. @param {NamedLeg[]} legs @returns {Leg[]} */
export const wireLegs = (legs) =>
  legs.map(({ event_ticker, market_ticker, side }) => ({ event_ticker, market_ticker, side }));

/** "KC wins" or "not KC wins". @param {NamedLeg} leg */
export const legWords = (leg) => (leg.side === "no" ? `not ${leg.title}` : leg.title);

/**
 * The problem of each leg, by its market; problems of the whole, or of events, stand under "".
 * @param {Row | null} check the answer of `combo.check`
 * @param {NamedLeg[]} legs
 */
export function problemsByLeg(check, legs) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const problem of check?.["problems"] ?? []) {
    const marked = legs.filter(
      (leg) => problem.tickers.includes(leg.market_ticker) || problem.tickers.includes(leg.event_ticker),
    );
    if (!marked.length) found[""] = found[""] ? `${found[""]} ${problem.text}` : problem.text;
    for (const leg of marked) found[leg.market_ticker] ??= problem.text;
  }
  return found;
}

/**
 * What one collection asks for, in words.
 * @param {Row} collection
 */
export function rulesWords(collection) {
  const [least, most] = [collection["size_min"], collection["size_max"]];
  const parts = [];
  if (least && most) parts.push(least === most ? `${least} legs` : `${least} to ${most} legs`);
  else if (most) parts.push(`at most ${most} legs`);
  else if (least) parts.push(`at least ${least} legs`);
  if (collection["is_single_market_per_event"]) parts.push("one market of each event");
  if (collection["is_all_yes"]) parts.push("YES only");
  if (collection["is_ordered"]) parts.push("their order counts");
  return parts.join(", ");
}

/**
 * Bounds of a check as price units, for the bar; null where a leg has no price.
 * @param {Row | null} check
 */
export function boundsOfCheck(check) {
  if (!check?.["lowest"] || !check["product"] || !check["highest"]) return null;
  return {
    lowest: toUnits(check["lowest"], 4),
    product: toUnits(check["product"], 4),
    highest: toUnits(check["highest"], 4),
  };
}

/**
 * Whether the legs are worth sending; else what is missing, in words.
 * @param {NamedLeg[]} legs
 * @param {Row | null} check
 */
export function missingWords(legs, check) {
  if (legs.length === 0) return "Choose a collection, then the legs.";
  if (!check) return "The legs are being checked.";
  if (check["problems"].length) return check["problems"][0].text;
  return "";
}
