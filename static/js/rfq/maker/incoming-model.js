/**
 * The incoming stream as it is read: which rows are listed, when they may change places, what each cell says.
 * Frames are those of `incoming:<account>:<filter>` (docs/rfq.md). No DOM here.
 */
import { formatAge } from "../../core/age.js";
import { DOLLAR, formatFixed } from "../../core/fixed.js";
import { positionText, priceCell, priceUnits, sizeWords, subjectOutcomeFirst } from "../confirm/words.js";

/** @typedef {Record<string, any>} Row */
/** @typedef {import("../../core/fixed.js").PriceFormat} PriceFormat */

const SLOW_RATE = 5; // new rows a second that a person can follow one by one
const QUICK_MS = 250;
const CALM_MS = 1_000;
const ROW_HEIGHT = 28; // pixels, as in css/rfq-maker.css
const FEWEST_ROWS = 12;

/** The series of a market: what its ticker begins with. @param {Row} row */
export const seriesOf = (row) => String(row["ticker"]).split("-")[0] ?? "";

/**
 * How often the list may change while nobody holds it: each frame while it can be followed, else once a second,
 * so that what is read stays where it is read.
 * @param {number} rate requests a second that the filter lets through
 */
export const paceMs = (rate) => (rate <= SLOW_RATE ? QUICK_MS : CALM_MS);

/**
 * How many rows are drawn of a list that moves by itself: what is in sight and some. At 500 requests a second nearly
 * all of its 200 are others each time, and most of a page's time went into rows that nobody saw.
 * @param {number} height of the list on the screen, pixels
 */
export const rowsInSight = (height) => Math.max(FEWEST_ROWS, Math.ceil(height / ROW_HEIGHT) + 4);

/**
 * Rows without the muted series and without what was passed on.
 * @param {Row[]} rows newest first
 * @param {{muted: Set<string>, passed: Set<string>}} left
 */
export function listed(rows, { muted, passed }) {
  const shown = rows.filter((row) => !muted.has(seriesOf(row)) && !passed.has(row["rfq_id"]));
  return { rows: shown, muted: rows.filter((row) => muted.has(seriesOf(row))).length };
}

/**
 * What the menu of passed requests says of one.
 * @param {Row} row of the frame's `passed`
 * @returns {{text: string, title: string}}
 */
export function passedWords(row) {
  const by = row["by"]?.name ?? "somebody";
  const reason = row["reason"] ? `: ${row["reason"]}` : "";
  return { text: `Show ${row["ticker"]} again`, title: `Passed on by ${by}${reason}` };
}

/**
 * While somebody points at the list nobody comes, goes or moves; figures of those that are listed still change.
 * @param {Row[]} shown what is on screen
 * @param {Row[]} fresh the newest frame
 * @param {boolean} isHeld
 * @returns {{rows: Row[], waiting: number}} waiting: newer ones that are not listed yet
 */
export function held(shown, fresh, isHeld) {
  if (!isHeld) return { rows: fresh, waiting: 0 };
  const byId = new Map(fresh.map((row) => [row["rfq_id"], row]));
  const ids = new Set(shown.map((row) => row["rfq_id"]));
  return {
    rows: shown.map((row) => byId.get(row["rfq_id"]) ?? row),
    waiting: fresh.filter((row) => !ids.has(row["rfq_id"])).length,
  };
}

/**
 * What a hit of either suggested bid would earn against fair value, price units; null: not known.
 * @param {number | null} fair of one YES @param {number | null} yes bid @param {number | null} no bid
 */
export function edges(fair, yes, no) {
  return {
    yes: fair === null || !yes ? null : fair - yes,
    no: fair === null || !no ? null : DOLLAR - fair - no,
  };
}

/** "+1.2", always in cents: a difference has no odds. @param {number | null} units */
export function edgeText(units) {
  if (units === null) return "-";
  const text = formatFixed(Math.abs(units), 2, 1);
  return `${units < 0 ? "-" : "+"}${text}`;
}

/** @param {Row} row */
export function rowEdges(row) {
  return edges(priceUnits(row["fair"]), priceUnits(row["suggested_yes"]), priceUnits(row["suggested_no"]));
}

/** How long ago it was made, or heard of when that is not told. @param {Row} row @param {number} now */
export function ageText(row, now) {
  const age = Math.max(0, now - (row["created_ms"] ?? row["seen_ms"]));
  return age < 5_000 ? `${(Math.floor(age / 100) / 10).toFixed(1)} s` : formatAge(age);
}

/** What a row says, by column. @param {Row} row @param {number} now @param {PriceFormat} format */
export function cells(row, now, format) {
  const price = (/** @type {string} */ name) => priceCell(priceUnits(row[name]) || null, format);
  const edge = rowEdges(row);
  const position = row["position"];
  return {
    age: ageText(row, now),
    market: subjectOutcomeFirst(/** @type {any} */ (row)),
    size: sizeWords(/** @type {any} */ (row)),
    book: `${price("book_bid")} / ${price("book_ask")}`,
    fair: price("fair"),
    yes: price("suggested_yes"),
    no: price("suggested_no"),
    edge: edge.yes === null && edge.no === null ? "-" : `${edgeText(edge.yes)} / ${edgeText(edge.no)}`,
    held: position === null || position === undefined ? "-" : positionText(position),
    match: row["rule"] || "yours",
  };
}

/** Where a fair value comes from, or why there is none. @param {Row} row */
export function fairTitle(row) {
  if (row["fair"]) return `Fair value of one YES: ${row["fair_source"] || "source not told"}`;
  return `No fair value: ${row["fair_why"] || "not known"}`;
}

/**
 * What stands above the list.
 * @param {Record<string, any> | null} frame
 * @param {{isFresh: boolean, muted: number, filterName: string}} here
 */
export function streamWords(frame, { isFresh, muted, filterName }) {
  if (!frame) return { text: "waiting for the stream", state: "stale" };
  const count = (/** @type {number} */ number) => number.toLocaleString("en");
  const parts = [filterName ? `filter: ${filterName}` : "everything"];
  if (frame["hidden"]) parts.push(`${count(frame["hidden"])} hidden`);
  if (muted) parts.push(`${count(muted)} muted`);
  parts.push(`${formatFixed(Math.round(Number(frame["rate"] ?? 0) * 10), 1, 1)} a second`);
  const isLive = isFresh && frame["state"] === "live";
  if (!isLive) parts.push(isFresh ? `stream ${frame["state"]}` : "stale");
  return { text: parts.join(" · "), state: isLive ? "live" : isFresh ? String(frame["state"]) : "stale" };
}
