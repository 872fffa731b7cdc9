/** What the milestone panel says, pure: when it is, how old the live data are, the score in words. */
import { formatAge } from "../core/age.js";
import { formatCountdown } from "../core/clock.js";

/** Live data are read each 3 s; four readings missed are stale. */
export const STALE_AFTER_MS = 12_000;

/**
 * @typedef {object} Frame see apps/markets/milestone_live.py
 * @property {number | null} read_ms
 * @property {string} why
 * @property {boolean} has_live
 * @property {"before" | "live" | "over" | ""} [phase]
 * @property {string} [status]
 * @property {{name: string, score: string, has_ball: boolean}[]} [sides]
 * @property {string} [period]
 * @property {string} [clock]
 * @property {string[][]} [periods]
 * @property {string} [last]
 * @property {string[][]} [facts]
 * @property {{name: string, columns: string[], rows: string[][]}[]} [tables]
 * @property {boolean} [is_cut]
 * @property {number | null} [source_ms]
 */

/**
 * What live data say goes before what the hours say: games begin late and run over.
 * @param {{startMs: number | null, endMs: number | null, nowMs: number, frame: Frame | null}} facts
 * @returns {{phase: "before" | "live" | "over" | "", text: string}}
 */
export function phaseOf({ startMs, endMs, nowMs, frame }) {
  const said = frame?.phase ?? "";
  const status = frame?.status ?? "";
  if (said === "over") return { phase: "over", text: status || "ended" };
  if (said === "live") return { phase: "live", text: status || "live" };
  if (startMs === null) return { phase: said, text: status };
  if (nowMs < startMs) {
    const left = `starts in ${formatCountdown(startMs - nowMs)}`;
    return { phase: "before", text: status && status !== "not begun" ? `${left}, ${status}` : left };
  }
  if (said === "before") return { phase: "before", text: `${status}, was due ${formatAge(nowMs - startMs)} ago` };
  if (endMs !== null && nowMs < endMs) {
    return { phase: "live", text: `${status || "under way"}, ends in ${formatCountdown(endMs - nowMs)}` };
  }
  if (endMs !== null) return { phase: "over", text: status || `ended ${formatAge(nowMs - endMs)} ago` };
  return { phase: "over", text: status || `was ${formatAge(nowMs - startMs)} ago` };
}

/**
 * @param {{link: string, isFresh: boolean, frame: Frame | null, nowMs: number}} facts
 * @returns {{state: "live" | "stale" | "down", text: string}}
 */
export function ageOf({ link, isFresh, frame, nowMs }) {
  const readMs = frame?.read_ms ?? null;
  const age = readMs === null ? "" : secondsAge(nowMs - readMs);
  if (!frame) return { state: "down", text: link === "live" ? "waiting for the exchange" : "no connection" };
  if (link !== "live" || !isFresh) return { state: "stale", text: age ? `stale, as of ${age} ago` : "stale" };
  if (frame.why)
    return { state: readMs === null ? "down" : "stale", text: age ? `stale, as of ${age} ago` : "not read" };
  if (readMs === null) return { state: "down", text: "not read yet" };
  if (nowMs - readMs > STALE_AFTER_MS) return { state: "stale", text: `stale, as of ${age} ago` };
  return { state: "live", text: `as of ${age} ago` };
}

/** As formatAge, without parts of a second: it is read each three. @param {number} ms */
function secondsAge(ms) {
  return ms < 5_000 ? `${Math.max(1, Math.floor(ms / 1_000))} s` : formatAge(ms);
}

/** "Quarter 3, 4:12". @param {Frame} frame */
export function clockWords({ period = "", clock = "", phase = "" }) {
  if (phase !== "live") return "";
  return [period, clock].filter(Boolean).join(", ");
}

/** One sentence below the figures, or "". @param {Frame | null} frame */
export function noteOf(frame) {
  if (!frame) return "";
  if (frame.why) return `The exchange did not answer: ${frame.why}`;
  if (!frame.has_live) return "The exchange gives no live data for this.";
  return frame.is_cut ? "More was sent than is shown here." : "";
}
