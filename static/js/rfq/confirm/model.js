/**
 * Accepted quotes of ours that wait for a word: which are shown, in what order, what each says, what a key may do.
 * Rows are those of `confirms:<account>` (docs/rfq.md); times Unix ms by the server's clock. No DOM here.
 */
import { formatPrice } from "../../core/fixed.js";
import { countWords, moneyWords, positionText, priceUnits, priceWords, sideWords, stepOf, subject } from "./words.js";

/** @typedef {Record<string, any>} Row */
/** @typedef {import("./words.js").PriceFormat} PriceFormat */
/** @typedef {"confirm" | "lapse"} Decision */
/** What this tab knows about its own press. @typedef {{decision: Decision, phase: "sending" | "slow" | "unknown", sentMs: number}} Press */
/** @typedef {"" | "ok" | "warning" | "danger"} Tone */

export const SHORT_WINDOW_MS = 5_000; // high volatility: everybody is called at once
const OTHERS_AFTER_MS = 5_000;
const OUTCOME_MS = 10_000;
const INCIDENT_MS = 120_000;
const STEADY_MS = 300; // a key acts on what has stood first for so long: never on what just came
const INCIDENTS = new Set(["missed", "failed"]);
const ACTIVE = new Set(["open", "confirming", "confirmed"]);

/** Milliseconds in which it can still be decided to confirm. @param {Row} row @param {number} now */
export const leftMs = (row, now) => Math.max(0, (row["decide_by_ms"] ?? row["send_by_ms"]) - now);

/** "2.1", never more than there is. @param {number} ms */
export const seconds = (ms) => (Math.floor(Math.max(0, ms) / 100) / 10).toFixed(1);

/** It is not over: to be decided, on its way, or executing. @param {Row} row */
export const isActive = (row) => ACTIVE.has(row["state"]);

/** Nobody and nothing has decided, and there is time. @param {Row} row @param {number} now */
export function isUndecided(row, now) {
  return row["state"] === "open" && !row["decision"] && leftMs(row, now) > 0;
}

/** @param {Row} row */
export const isIncident = (row) => INCIDENTS.has(row["state"]);

/** Until when an ended one is shown. @param {Row} row @param {number | undefined} endedMs when this tab saw it end */
function shownUntil(row, endedMs) {
  const ended = endedMs ?? row["executed_ms"] ?? row["window_ends_ms"];
  return ended + (isIncident(row) ? INCIDENT_MS : OUTCOME_MS);
}

/**
 * What the tray holds: the undecided by time left, then what is on its way, then how others ended, newest first.
 * @param {Row[]} rows
 * @param {number} now
 * @param {{dismissed?: Set<string>, ended?: Map<string, number>}} [seen] ended: when this tab saw a row end
 */
export function trayRows(rows, now, { dismissed = new Set(), ended = new Map() } = {}) {
  const rank = (/** @type {Row} */ row) => (isUndecided(row, now) ? 0 : isActive(row) ? 1 : isIncident(row) ? 2 : 3);
  return rows
    .filter((row) => isActive(row) || (!dismissed.has(row["key"]) && now < shownUntil(row, ended.get(row["key"]))))
    .toSorted((one, other) => {
      const ranks = rank(one) - rank(other);
      if (ranks) return ranks;
      const byTime = one["send_by_ms"] - other["send_by_ms"] || one["key"].localeCompare(other["key"]);
      return rank(one) < 2 ? byTime : -byTime;
    });
}

/** "you buy 1,200 YES at 38.2¢ for $458.40" @param {Row} row @param {PriceFormat} format */
export function headline(row, format) {
  const side = sideWords(row["accepted_side"]);
  if (!side) return "a quote was accepted; which side is being read";
  const count = row["contracts"] === null ? "" : `${countWords(row["contracts"])} `;
  const size = count || "(size not told yet) ";
  const cost = row["cost"] === null ? "" : ` for ${moneyWords(row["cost"])}`;
  return `you buy ${size}${side} at ${priceWords(row["price"], format)}${cost}`;
}

/** The whole in one sentence, for screen readers and notifications. @param {Row} row @param {PriceFormat} format @param {number} now */
export function callWords(row, format, now) {
  return `Confirm? ${headline(row, format)}: ${subject(/** @type {any} */ (row))}. ${seconds(leftMs(row, now))} seconds left. ${row["policy_text"] ?? ""}`.trim();
}

/** How fair value moved since the quote. @param {Row} row @param {PriceFormat} format @returns {{text: string, tone: Tone}} */
export function moveWords(row, format) {
  const move = priceUnits(row["move"]);
  if (move === null) return { text: "move since the quote not known", tone: "warning" };
  if (move === 0) return { text: "fair value has not moved since the quote", tone: "" };
  // A move is a difference: odds and probabilities of it mean nothing, cents do.
  const size = formatPrice(Math.abs(move), { format: format === "dollars" ? "dollars" : "cents", step: stepOf(move) });
  return move > 0
    ? { text: `fair value moved ${size} for us since the quote`, tone: "ok" }
    : { text: `fair value moved ${size} against us since the quote`, tone: "danger" };
}

/** @param {Row} row */
export function afterWords(row) {
  const exposure = row["exposure_after"];
  const risk = exposure === null || exposure === undefined ? "" : `, ${moneyWords(exposure)} at risk`;
  return `after: ${positionText(row["position_after"])}${risk}`;
}

/**
 * When and by whom it was quoted.
 * @param {Row} row
 * @param {Row | undefined} quote its row of `quotes:<account>`, when it is known here
 */
export function originWords(row, quote) {
  const at = quote?.["opened_ms"] ?? quote?.["created_ms"];
  const age = at && row["accepted_ms"] ? ` ${seconds(row["accepted_ms"] - at)} s before it was accepted` : "";
  const by = quote?.["rule"] ? `by rule ${quote["rule"].name}` : (quote?.["owner"] ?? row["owner"])?.name;
  if (!age && !by) return "";
  return `quoted${age}${by ? ` ${quote?.["rule"] ? by : `by ${by}`}` : ""}`;
}

/** @param {{name: string, ok: boolean | null, value?: any, limit?: any, text?: string}} check */
export function checkWords({ name, ok, value, limit, text }) {
  const mark = ok === true ? "✓" : ok === false ? "✗" : "?";
  const figure = value === null || value === undefined || value === "" ? "" : ` ${value}`;
  const against = limit === null || limit === undefined || limit === "" ? "" : `, limit ${limit}`;
  const short = name.replaceAll("_", " ");
  const verdict = ok === true ? "passed" : ok === false ? "failed" : "not known";
  return {
    mark,
    text: short + figure,
    tone: /** @type {Tone} */ (ok === true ? "ok" : ok === false ? "danger" : "warning"),
    title: `${text || short}${figure ? `:${figure}` : ""}${against}`,
    spoken: `${short}: ${verdict}${figure ? `,${figure}` : ""}${against}`,
  };
}

/** What became of it, as far as it is known; "" while nothing is decided. @param {Row} row @param {number} now @returns {{text: string, tone: Tone}} */
export function outcomeWords(row, now) {
  const by = row["decided_by"] ? ` by ${row["decided_by"].name}` : "";
  const said = row["state_text"] || row["state"];
  const why = row["error"] ? ` ${row["error"]}` : "";
  switch (row["state"]) {
    case "open":
      if (leftMs(row, now) > 0) return { text: "", tone: "" };
      return { text: "Too late to confirm: finding out what became of it", tone: "warning" };
    case "confirming": {
      const attempts = row["attempts"] > 1 ? `, attempt ${row["attempts"]}` : "";
      return { text: `Confirming${by}${attempts}`, tone: "warning" };
    }
    case "confirmed":
      return { text: `Confirmed${by}: executing`, tone: "ok" };
    case "executed":
      return { text: `Executed${by ? `, confirmed${by}` : ""}`, tone: "ok" };
    case "lapsed":
      return { text: `${said}${by}`, tone: "" };
    case "missed":
    case "failed":
      return { text: `Incident. ${said}${by}.${why}`, tone: "danger" };
    default:
      return { text: said, tone: "" };
  }
}

/**
 * The two buttons: what each says, and whether it may be pressed. One decision only: while one is on its way, and
 * once one is known, both are locked.
 * @param {Row} row
 * @param {number} now
 * @param {{press?: Press | undefined, isLive: boolean}} here
 */
export function buttons(row, now, { press, isLive }) {
  const side = (/** @type {Decision} */ decision, /** @type {string} */ ready, /** @type {string} */ doing) => {
    const isOwn = press?.decision === decision;
    const phase = row["decision"] === decision ? "done" : isOwn ? (press?.phase ?? "ready") : "ready";
    const words = { ready, sending: doing, slow: "Still waiting", unknown: "No answer - checking", done: ready };
    return { text: words[phase], phase };
  };
  const why = row["decision"]
    ? "decided"
    : row["state"] !== "open"
      ? "over"
      : leftMs(row, now) === 0
        ? "too late"
        : press
          ? "on its way"
          : !isLive
            ? "this page is not live"
            : "";
  return {
    confirm: side("confirm", "Confirm", "Confirming"),
    lapse: side("lapse", "Let lapse", "Letting lapse"),
    why,
    isLocked: why !== "",
  };
}

/**
 * The row that Y and N are about: the most urgent undecided one, once it has stood first for a moment.
 * @param {Row[]} rows as in the tray
 * @param {number} now
 * @param {{key: string, sinceMs: number} | null} first since when which row has stood first
 * @returns {Row | null}
 */
export function keyTarget(rows, now, first) {
  const row = rows.find((each) => isUndecided(each, now));
  if (!row || !first) return null;
  return first.key === row["key"] && now - first.sinceMs >= STEADY_MS ? row : null;
}

/**
 * Whether this person is called (sound, notification, title) now: the owner at once, the others when the owner has
 * had time, everybody at once when the window is short.
 * @param {Row} row @param {number} now @param {number} person
 */
export function isCalled(row, now, person) {
  if (!isUndecided(row, now)) return false;
  const isShort = row["window_ends_ms"] - row["accepted_ms"] <= SHORT_WINDOW_MS;
  const isOwner = !row["owner"] || row["owner"].id === person;
  return isShort || isOwner || now - row["heard_ms"] >= OTHERS_AFTER_MS;
}

/** What the tab's title says in turn with its own; "" when nothing waits. @param {Row[]} rows @param {number} now */
export function titleWords(rows, now) {
  const waiting = rows.filter((row) => isUndecided(row, now));
  if (!waiting.length) return "";
  const least = Math.min(...waiting.map((row) => leftMs(row, now)));
  return `(${waiting.length}) Confirm? ${Math.floor(least / 1_000)} s`;
}

/** How much of the time to send is left, 0 to 1. @param {Row} row @param {number} now */
export function share(row, now) {
  const whole = row["send_by_ms"] - row["accepted_ms"];
  return whole > 0 ? Math.min(1, leftMs(row, now) / whole) : 0;
}

/** @typedef {{top: number, bottom: number, left: number, right: number}} Box */

/** @param {Box} one @param {Box} other */
const overlaps = (one, other) =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;

/**
 * At the top, or at the bottom when it would cover there what the person is working on.
 * @param {{top: Box, bottom: Box}} places @param {Box[]} kept what must stay in sight: the focused field, the kill switch
 * @returns {"top" | "bottom"}
 */
export function placeFor({ top, bottom }, kept) {
  const covered = (/** @type {Box} */ place) => kept.some((box) => overlaps(place, box));
  return covered(top) && !covered(bottom) ? "bottom" : "top";
}
