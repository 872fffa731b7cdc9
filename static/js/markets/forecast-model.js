/** The forecast panel, pure: lines of the chart, the legend, how old it is. */
import { formatAge } from "../core/age.js";

/** It is read once a minute; three readings missed are stale. */
export const STALE_AFTER_MS = 200_000;

/**
 * @typedef {object} Forecast see apps/markets/forecasts.py
 * @property {number | null} read_ms
 * @property {string} why
 * @property {number[]} percentiles
 * @property {[number, (string | null)[]][]} points
 * @property {string[]} now
 */

/** One list per percentile, for the chart. @param {Forecast} forecast */
export function linesOf({ percentiles, points }) {
  return percentiles.map((_, index) =>
    points.flatMap(([time, values]) => {
      const raw = values[index];
      return raw === null || raw === undefined ? [] : [{ time, value: Number(raw) }];
    }),
  );
}

/**
 * How the exchange writes this number: what stands before and after it, and how many decimals.
 * @param {string} written "$92,400", "3.25%"
 */
export function formatterOf(written) {
  const [, before = "", digits = "", after = ""] = /^([^\d-]*)(-?[\d.,]+)(.*)$/.exec(written) ?? [];
  const decimals = Math.min(6, digits.split(".")[1]?.length ?? 0);
  const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  const minMove = Number(`1e-${decimals}`);
  return {
    minMove,
    format: (/** @type {number} */ value) => `${before}${value.toLocaleString("en-US", options)}${after}`,
  };
}

/**
 * @param {{link: string, isFresh: boolean, forecast: Forecast | null, nowMs: number}} facts
 * @returns {{state: "live" | "stale" | "down", text: string}}
 */
export function ageOf({ link, isFresh, forecast, nowMs }) {
  const readMs = forecast?.read_ms ?? null;
  if (readMs === null) return { state: "down", text: forecast?.why ? "not read" : "waiting for the exchange" };
  const age = `as of ${formatAge(Math.max(1_000, Math.floor((nowMs - readMs) / 1_000) * 1_000)).replace(".0 s", " s")} ago`;
  const isStale = link !== "live" || !isFresh || forecast?.why !== "" || nowMs - readMs > STALE_AFTER_MS;
  return isStale ? { state: "stale", text: `stale, ${age}` } : { state: "live", text: age };
}

/** What stands in the chart's place, or below it. @param {Forecast | null} forecast @param {boolean} hasLines */
export function noteOf(forecast, hasLines) {
  if (!forecast) return "Waiting for the exchange.";
  if (forecast.why) return `The exchange gave no forecast: ${forecast.why}`;
  if (forecast.read_ms === null) return "Waiting for the exchange.";
  return hasLines ? "" : "The exchange has no forecast of this event.";
}
