/** What a request is at this moment, in the few words that the list has room for. No DOM here. */
import { ageText, quotesText, shortCountdown, sizeText, titleParts } from "./words.js";

/** @typedef {import("./words.js").Row} Row */
/** @typedef {"accent" | "warning" | "ok" | "muted" | "danger"} Tone */

/** States of an accept that has not ended: nothing else of the request can be taken. */
export const SENDING = ["committed", "sending"];
const UNRESOLVED = ["committed", "sending", "unknown"];

/** @param {Row} row */
export const openQuotes = (row) =>
  (row["quotes"] ?? []).filter((/** @type {Row} */ quote) => quote["state"] === "open");

/**
 * The badge of a request: what it waits for, or how it ended.
 * @param {Row} row
 * @returns {{text: string, tone: Tone}}
 */
export function badgeOf(row) {
  const accept = row["accept"];
  if (accept) {
    if (SENDING.includes(accept.state)) return { text: "accepting", tone: "warning" };
    if (accept.state === "unknown") return { text: "unknown", tone: "warning" };
    if (accept.state === "awaiting") return { text: "awaiting maker", tone: "warning" };
    if (accept.state === "executing") return { text: "executing", tone: "ok" };
    if (accept.state === "executed") return { text: "executed", tone: "ok" };
  }
  switch (row["state"]) {
    case "draft":
      return { text: "needs approval", tone: "warning" };
    case "committed":
    case "sending":
      return { text: "sending", tone: "accent" };
    case "unknown":
      return { text: "unknown", tone: "warning" };
    case "refused":
      return { text: "refused", tone: "danger" };
    case "not_seen":
      return { text: "not seen", tone: "warning" };
    case "open":
      if (!row["is_open"]) return { text: "closing", tone: "muted" };
      if (lastLapse(row)) return { text: "lapsed", tone: "danger" };
      return { text: "live", tone: "accent" };
    default:
      return {
        text: row["ends_ms"] && row["closing_reason"]?.includes("time-out") ? "timed out" : "done",
        tone: "muted",
      };
  }
}

/** The newest accept that ended without a trade. @param {Row} row @returns {Row | null} */
export function lastLapse(row) {
  const lapsed = row["lapsed"] ?? [];
  return lapsed.length ? lapsed[lapsed.length - 1] : null;
}

/**
 * The clock of a request: what is left of the window that matters now, else how old it is.
 * @param {Row} row
 * @param {number} nowMs by the server's clock
 */
export function clockOf(row, nowMs) {
  const accept = row["accept"];
  if (accept?.state === "awaiting" && accept.window_ends_ms) return left(accept.window_ends_ms, nowMs);
  if (accept?.state === "executing" && accept.execution_ends_ms) return left(accept.execution_ends_ms, nowMs);
  if (row["state"] === "open" && row["ends_ms"]) return left(row["ends_ms"], nowMs);
  const over = row["closed_ms"] ?? accept?.executed_ms;
  return { text: ageText(nowMs - (over ?? row["created_ms"])), isUrgent: false };
}

/** @param {number} endsMs @param {number} nowMs */
function left(endsMs, nowMs) {
  return { text: shortCountdown(endsMs - nowMs), isUrgent: endsMs - nowMs < 10_000 };
}

/** Whether something may still happen to it. @param {Row} row */
export function isLive(row) {
  return ["draft", ...UNRESOLVED, "open"].includes(row["state"]) || isTrading(row);
}

/** Taken, and not yet over. @param {Row} row */
export function isTrading(row) {
  return row["accept"] !== null && row["accept"] !== undefined && row["accept"].state !== "executed";
}

/**
 * What may still happen first, then by age, newest first.
 * @param {Row[]} rows
 */
export function sortRequests(rows) {
  return [...rows].sort(
    (one, other) => Number(isLive(other)) - Number(isLive(one)) || other["created_ms"] - one["created_ms"],
  );
}

/**
 * One entry of the list.
 * @param {Row} row
 * @param {number} nowMs
 */
export function requestLine(row, nowMs) {
  const found = isLive(row) ? openQuotes(row).length : (row["quotes"] ?? []).length;
  return {
    key: String(row["key"]),
    parts: titleParts(row),
    size: sizeText(row),
    quotes: quotesText(found),
    badge: badgeOf(row),
    clock: clockOf(row, nowMs),
    isLive: isLive(row),
    isExternal: Boolean(row["is_external"]),
  };
}

/**
 * What has just happened to a request, for people who do not look at it; "" for nothing worth saying.
 * @param {Row | undefined} before
 * @param {Row} row
 */
export function newsOf(before, row) {
  if (!before) return "";
  const title = titleParts(row).join(" · ");
  const [was, is] = [before["accept"]?.state, row["accept"]?.state];
  if (is !== was) {
    if (is === "awaiting") return `${title}: accepted, awaiting the maker.`;
    if (is === "executing") return `${title}: the maker confirmed, executing.`;
    if (is === "executed") return `${title}: executed.`;
    if (is === "unknown") return `${title}: sent, not confirmed by the exchange. Checking.`;
  }
  const [lapses, lapsesNow] = [before["lapsed"]?.length ?? 0, row["lapsed"]?.length ?? 0];
  if (lapsesNow > lapses) {
    const last = lastLapse(row);
    return `${title}: ${last?.["error"] || last?.["state_text"]}.`;
  }
  if (before["state"] !== row["state"]) return `${title}: ${row["state_text"]}.`;
  const [quotes, quotesNow] = [openQuotes(before).length, openQuotes(row).length];
  if (quotesNow > quotes) return `${title}: ${quotesText(quotesNow)}.`;
  return "";
}
