/** Our quotes as they are listed: order, ages, distance to fair value, what a pull of all would reach. No DOM here. */
import { formatAge } from "../../core/age.js";
import { formatCountdown } from "../../core/clock.js";
import { priceCell, priceUnits, sizeWords, subject, subjectOutcomeFirst } from "../confirm/words.js";
import { edgeText, edges } from "./incoming-model.js";

/** @typedef {Record<string, any>} Row a row of `quotes:<account>` */

// What may still be accepted: what is on its way counts, because it may be at the exchange already.
const LIVE = new Set(["committed", "sending", "unknown", "open", "not_seen"]);
const TRADED = new Set(["accepted", "confirmed"]);

/** @param {Row} row */
export const isLive = (row) => LIVE.has(row["state"]);

/** It can still be withdrawn, and nobody has said so yet. @param {Row} row */
export const canPull = (row) => isLive(row) && row["state"] !== "not_seen" && row["state_text"] !== "Being pulled";

/** Live ones first, then those that were hit, then the ended; newest first. @param {Row[]} rows @param {boolean} withEnded */
export function ordered(rows, withEnded) {
  const rank = (/** @type {Row} */ row) => (TRADED.has(row["state"]) ? 0 : isLive(row) ? 1 : 2);
  return rows
    .filter((row) => withEnded || rank(row) < 2)
    .toSorted((one, other) => rank(one) - rank(other) || other["created_ms"] - one["created_ms"]);
}

/**
 * How far our bids are from fair value now: what a hit of either side would earn.
 * @param {Row} row @param {number | null} fair of one YES
 */
export function distance(row, fair) {
  const edge = edges(fair, priceUnits(row["yes_bid"]), priceUnits(row["no_bid"]));
  const worst = [edge.yes, edge.no]
    .filter((each) => each !== null)
    .reduce((least, each) => Math.min(least, each), Infinity);
  return {
    text: edge.yes === null && edge.no === null ? "-" : `${edgeText(edge.yes)} / ${edgeText(edge.no)}`,
    isBad: worst < 0,
  };
}

/** @param {Row} row @param {{now: number, format: import("../../core/fixed.js").PriceFormat, fair: number | null}} look */
export function cells(row, { now, format, fair }) {
  const bid = (/** @type {string} */ name) => priceCell(priceUnits(row[name]) || null, format);
  const live = isLive(row);
  const since = row["opened_ms"] ?? row["created_ms"];
  return {
    age: live ? formatAge(now - since) : formatAge(now - (row["ended_ms"] ?? since)),
    market: subjectOutcomeFirst(/** @type {any} */ (row)),
    size: sizeWords(/** @type {any} */ (row)),
    yes: bid("yes_bid"),
    no: bid("no_bid"),
    distance: live ? distance(row, fair).text : "-",
    by: row["rule"] ? `rule: ${row["rule"].name}` : (row["owner"]?.name ?? "made elsewhere"),
    policy: policyText(row),
    left: live && row["ends_ms"] ? formatCountdown(row["ends_ms"] - now) : "-",
    state: row["error"] ? `${row["state_text"]}: ${row["error"]}` : row["state_text"],
    verified: endWords(row),
  };
}

/** @param {Row} row */
function policyText(row) {
  if (row["policy"] === "auto") return `auto, at most ${priceCell(priceUnits(row["max_move"]), "cents")}¢ against`;
  return row["policy"] === "lapse" ? "always lapse" : "a person";
}

/** A quote that is reported as cancelled may have been filled: only fills that were read settle it. @param {Row} row */
function endWords(row) {
  if (row["state"] !== "cancelled") return "";
  return row["is_end_verified"] ? "not filled: verified" : "fills not read yet";
}

/** @param {number} count @param {string} word */
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** What "pull all" reaches. @param {Row[]} rows */
export function scopeWords(rows) {
  const live = rows.filter(canPull);
  const markets = new Set(live.map((row) => row["ticker"])).size;
  return `${plural(live.length, "quote")} in ${plural(markets, "market")}`;
}

/** The largest markets of it, one line each. @param {Row[]} rows @param {number} [most] */
export function scopeLines(rows, most = 6) {
  /** @type {Map<string, {what: string, count: number}>} */
  const byMarket = new Map();
  for (const row of rows.filter(canPull)) {
    const found = byMarket.get(row["ticker"]) ?? { what: subject(/** @type {any} */ (row)), count: 0 };
    byMarket.set(row["ticker"], { ...found, count: found.count + 1 });
  }
  const lines = [...byMarket.values()].toSorted((one, other) => other.count - one.count);
  const rest = lines.slice(most).length;
  return [
    ...lines.slice(0, most).map(({ what, count }) => `${what}: ${plural(count, "quote")}`),
    ...(rest ? [`and ${plural(rest, "more market")}`] : []),
  ];
}
