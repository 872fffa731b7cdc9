/** What was typed into the request ticket as the exact values of `rfq.send`, and what is wrong with it. No DOM here. */
import { formatMoney, fromUnits, toUnits } from "../core/fixed.js";
import { readCount, readPrice } from "../market/ticket-model.js";

/**
 * @typedef {object} Typed
 * @property {string} ticker
 * @property {{collection: string, legs: {event_ticker: string, market_ticker: string, side: string}[]} | null} combo
 * @property {string} comboMissing why a combo cannot be sent yet; "" for one that can, and for a market
 * @property {boolean} isCost
 * @property {string} size
 * @property {string} limitYes
 * @property {string} limitNo
 * @property {string} endsIn seconds, "" for none
 * @property {string} note
 * @property {boolean} restRemainder
 * @property {boolean} replaceExisting
 * @property {"" | "yes" | "no"} auto
 * @property {string} minQuotes
 * @property {string} afterS
 */

/** @typedef {{params: Record<string, unknown> | null, faults: Record<string, string>}} Reading */

/**
 * @param {Typed} typed
 * @returns {Reading} params null while something is missing or wrong
 */
export function readAsk(typed) {
  /** @type {Record<string, string>} */
  const faults = {};
  /** @type {Record<string, unknown>} */
  const params = {
    rest_remainder: typed.restRemainder,
    replace_existing: typed.replaceExisting,
    note: typed.note.trim(),
  };
  if (typed.combo) params["combo"] = typed.combo;
  else if (typed.comboMissing) faults["combo"] = typed.comboMissing;
  else if (typed.ticker) params["ticker"] = typed.ticker;
  else faults["ticker"] = "Choose a market.";

  if (typed.isCost) read(faults, params, "target_cost", readCost(typed.size), 6);
  else read(faults, params, "contracts", readWhole(typed.size), 2);

  for (const [name, text] of [
    ["limit_yes", typed.limitYes],
    ["limit_no", typed.limitNo],
  ])
    if (name && text?.trim()) read(faults, params, name, readPrice(text), 4);

  if (typed.endsIn) {
    const seconds = Number(typed.endsIn);
    if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 86_400) params["ends_in_s"] = seconds;
    else faults["ends_in_s"] = "1 second to 24 hours.";
  }
  if (typed.note.trim().length > 300) faults["note"] = "At most 300 characters.";
  if (typed.auto) readAuto(typed, params, faults);
  return { params: Object.keys(faults).length ? null : params, faults };
}

/** @param {Typed} typed @param {Record<string, unknown>} params @param {Record<string, string>} faults */
function readAuto(typed, params, faults) {
  const limit = typed.auto === "yes" ? typed.limitYes : typed.limitNo;
  if (!limit.trim())
    faults["auto"] = `Taking ${typed.auto.toUpperCase()} by itself needs a limit for ${typed.auto.toUpperCase()}.`;
  const [quotes, after] = [whole(typed.minQuotes || "1"), whole(typed.afterS || "0")];
  if (quotes === null || quotes < 1 || quotes > 100) faults["auto"] = "The number of quotes to wait for is 1 to 100.";
  else if (after === null || after > 3_600) faults["auto"] = "The time to wait is 0 to 3,600 whole seconds.";
  else params["auto"] = { buys: typed.auto, min_quotes: quotes, after_s: after };
}

/** @param {string} text */
function whole(text) {
  return /^\d{1,6}$/.test(text.trim()) ? Number(text.trim()) : null;
}

/** @param {Record<string, string>} faults @param {Record<string, unknown>} params @param {string} name
 * @param {{units: number} | {error: string}} reading @param {number} places */
function read(faults, params, name, reading, places) {
  if ("error" in reading) faults[name] = reading.error;
  else params[name] = fromUnits(reading.units, places);
}

/** Requests are for whole contracts. @param {string} text @returns {{units: number} | {error: string}} */
export function readWhole(text) {
  const reading = readCount(text);
  if ("error" in reading) return reading;
  return reading.units % 100 === 0 ? reading : { error: "A request is for whole contracts." };
}

/** "$5,000", "5k", "250.50". @param {string} text @returns {{units: number} | {error: string}} micro-dollars */
export function readCost(text) {
  const raw = text
    .trim()
    .replace(/^\$/, "")
    .replace(/[,_\s]/g, "");
  if (raw === "") return { error: "Enter the dollars to spend." };
  const match = /^(\d+(?:\.\d{1,2})?)(k|m)?$/i.exec(raw);
  if (!match) return { error: `“${text.trim()}” is not an amount in dollars.` };
  const factor = match[2] === undefined ? 1 : match[2].toLowerCase() === "k" ? 1_000 : 1_000_000;
  const units = toUnits(match[1] ?? "0", 6) * factor;
  if (units <= 0) return { error: "Enter at least one cent." };
  return Number.isSafeInteger(units) ? { units } : { error: "That is more than any market holds." };
}

/** The words on the button that sends. @param {Reading} reading */
export function sendWords({ params }) {
  if (!params) return "Send RFQ";
  if (typeof params["contracts"] === "string") {
    const units = toUnits(params["contracts"], 2);
    return `Send RFQ for ${(units / 100).toLocaleString("en-US")} contract${units === 100 ? "" : "s"}`;
  }
  return `Send RFQ for ${formatMoney(toUnits(String(params["target_cost"]), 6)).replace(/\.00$/, "")}`;
}

/**
 * Asking again and again about one market tells everybody what is wanted.
 * @param {Record<string, any>[]} rows requests of the account
 * @param {string} ticker
 * @param {number} nowMs
 */
export function leakWords(rows, ticker, nowMs) {
  const lately = ticker
    ? rows.filter((row) => row["ticker"] === ticker && nowMs - row["created_ms"] < 3_600_000).length
    : 0;
  const base = "Every member of the exchange sees the market and the size of a request.";
  if (lately === 0) return { text: base, isWarning: false };
  const times = lately === 1 ? "one request" : `${lately} requests`;
  return {
    text: `${base} You sent ${times} on this market within the hour: another tells more.`,
    isWarning: lately > 1,
  };
}

/** A request on this market that is open already. @param {Record<string, any>[]} rows @param {string} ticker */
export function openOn(rows, ticker) {
  return rows.find((row) => row["ticker"] === ticker && row["state"] === "open" && row["is_open"]) ?? null;
}

/**
 * Above the desk's threshold nothing is sent before a second person has agreed.
 * @param {Record<string, any>} row of `approvals:<account>`
 * @param {string} who
 */
export function approvalWords(row, who) {
  const minutes = Math.max(1, Math.round((row["expires_ms"] - row["asked_ms"]) / 60_000));
  return `Not sent yet: ${who} has to approve it within ${minutes} minute${minutes === 1 ? "" : "s"}.`;
}
