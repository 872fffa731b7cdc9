/** What the wall shows when, and how it speaks of its age. No DOM. */

/** The sets of panels that rotate, in their order. */
export const VIEWS = /** @type {const} */ (["money", "activity", "control"]);
export const TURN_MS = 15_000;
export const STALE_MS = 10_000;

/**
 * Which set is shown.
 * @param {number} sinceMs how long the rotation has been on
 */
export const viewAt = (sinceMs) => VIEWS[Math.floor(Math.max(0, sinceMs) / TURN_MS) % VIEWS.length] ?? "money";

/**
 * @param {number | null} ageMs since the desk read what is shown; null: nothing was read
 * @param {string} problem why the last reading failed, or ""
 * @returns {{text: string, level: "live" | "stale" | "down"}}
 */
export function ageWords(ageMs, problem) {
  if (problem) return { text: problem, level: "down" };
  if (ageMs === null) return { text: "not read yet", level: "stale" };
  const seconds = Math.max(0, Math.round(ageMs / 1000));
  return ageMs > STALE_MS
    ? { text: `stale ${seconds} s`, level: "stale" }
    : { text: `${seconds} s ago`, level: "live" };
}

/**
 * When to read next: after a failure later and later, up to half a minute; never all screens at the same moment.
 * @param {number} everyMs
 * @param {number} failures in a row
 * @param {number} chance 0 to 1
 */
export const waitMs = (everyMs, failures, chance) =>
  Math.min(30_000, everyMs * 2 ** Math.min(failures, 4)) * (0.9 + 0.2 * chance);
