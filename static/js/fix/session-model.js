/** What the cells of a FIX session say. No DOM. Times: Unix milliseconds. */
import { formatAge } from "../core/age.js";

/** A logged-on session that heard nothing for this many heartbeats is not well, whatever its row says. */
export const SILENT_HEARTBEATS = 2.4;

/** @param {number | null} ms @param {number} now */
export const age = (ms, now) => (ms === null ? "-" : formatAge(now - ms));

/** @param {any} row */
export function numbersIn(row) {
  const missing = row.gap_to === null ? "" : `, missing to ${row.gap_to}`;
  return `${row.next_in - 1}, next ${row.next_in}${missing}`;
}

/** @param {any} row */
export const numbersOut = (row) => `${row.next_out - 1}, next ${row.next_out}`;

/** @param {any} row @param {number} now */
export function isSilent(row, now) {
  return row.is_up && (row.last_in_ms === null || now - row.last_in_ms > row.heartbeat * SILENT_HEARTBEATS * 1_000);
}

/**
 * State and advice, with what only the reader's clock knows.
 * @param {any} row
 * @param {number} now
 */
export function stateOf(row, now) {
  if (!isSilent(row, now)) return { text: row.state_text, tone: row.tone, advice: row.advice };
  return {
    text: `${row.state_text}, but silent`,
    tone: "warning",
    advice: "Nothing came for over two heartbeats. Is the gateway running? See the status in the top bar.",
  };
}

/** @param {any[]} rows @param {number} now */
export function summary(rows, now) {
  const up = rows.filter((row) => row.is_up && !isSilent(row, now)).length;
  const wanted = rows.filter((row) => row.is_wanted).length;
  if (!rows.length) return "";
  return wanted ? `${up} of ${wanted} started ${wanted === 1 ? "session" : "sessions"} logged on` : "none is started";
}
