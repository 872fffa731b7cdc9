/** How old data is, in words. Older than 5 s is stale: a label, dimmed values, no trading (UI principle 2). */

export const STALE_AFTER_MS = 5_000;

/** @typedef {"live" | "stale" | "down"} FeedState */

/**
 * "42 ms", "1.2 s", "7 s", "3 min", "2 h". Ages below zero (clocks differ) show as 0.
 * @param {number} ms
 */
export function formatAge(ms) {
  const age = Math.max(0, ms);
  if (age < 1_000) return `${Math.round(age)} ms`;
  if (age < 5_000) return `${(Math.floor(age / 100) / 10).toFixed(1)} s`;
  if (age < 120_000) return `${Math.floor(age / 1_000)} s`;
  if (age < 7_200_000) return `${Math.floor(age / 60_000)} min`;
  return `${Math.floor(age / 3_600_000)} h`;
}

/**
 * What a live region shows: the worst of this tab's link, what the server says, and whether a frame came at all.
 * @param {object} facts
 * @param {string} facts.link state of the socket: "live" or anything else
 * @param {boolean} facts.isFresh a frame came since the last (re)connection
 * @param {FeedState} [facts.state] what the frame itself says
 * @param {string} [facts.why] the reason that came with it
 * @param {number} [facts.seenMs] how long ago the link was last known to be good, ms
 * @returns {{state: FeedState, text: string}} text is empty while live
 */
export function feedState({ link, isFresh, state = "live", why = "", seenMs }) {
  const age = seenMs === undefined ? "" : ` ${formatAge(seenMs)}`;
  if (link === "live" && isFresh) {
    if (state === "live") return { state, text: "" };
    return { state, text: why ? `${state}: ${why}` : state === "down" ? "feed down" : `stale${age}` };
  }
  if (link === "live") return { state: "stale", text: "stale: catching up" };
  if (link === "connecting") return { state: "stale", text: "connecting" };
  return { state: "stale", text: `stale${age}: reconnecting` };
}
