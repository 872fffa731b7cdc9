/** What follows an accept: the windows and how it ended, in one line with a clock. And the request's timeline. No DOM here. */
import { lastLapse, openQuotes } from "./request-model.js";
import { countText, moneyText, priceText, quotesText, shortCountdown, timeText } from "./words.js";

/** @typedef {import("./words.js").Row} Row */
/** @typedef {import("./words.js").Look} Look */

/**
 * @typedef {object} Progress
 * @property {"sending" | "unknown" | "awaiting" | "executing" | "executed" | "lapsed"} state
 * @property {string} title
 * @property {string} text
 * @property {string} clock what is left of the window, "" where none runs
 * @property {number} share of the window that is left, 0 to 1
 * @property {string} orderId
 */

const WINDOW_OVER = "The window is over; reading what became of it.";

/**
 * @param {Row} row
 * @param {Look} look
 * @param {number} nowMs by the server's clock
 * @returns {Progress | null} null: nothing was taken
 */
export function progressOf(row, look, nowMs) {
  const accept = row["accept"];
  if (!accept) return lapseOf(row, look);
  const maker =
    (row["quotes"] ?? []).find((/** @type {Row} */ one) => one["quote_id"] === accept.quote_id)?.maker ?? "";
  const what = `${accept.contracts ? `${countText(accept.contracts)} ` : ""}${accept.buys.toUpperCase()} at ${priceText(accept.price, look)}`;
  const who = accept.is_auto ? "taken by its limit" : accept.by ? `taken by ${accept.by.name}` : "";
  const base = { clock: "", share: 0, orderId: accept.order_id ?? "" };
  switch (accept.state) {
    case "awaiting": {
      const clock = clockOf(accept.accepted_ms, accept.window_ends_ms, nowMs);
      const text = clock.isOver ? WINDOW_OVER : `${maker} may confirm or let it lapse; ${who}`;
      return { ...base, ...clock, state: "awaiting", title: `You buy ${what}: awaiting the maker`, text };
    }
    case "executing": {
      const clock = clockOf(accept.confirmed_ms, accept.execution_ends_ms, nowMs);
      const text = clock.isOver
        ? "The execution time is over; reading the fills."
        : `${maker} confirmed; the orders enter the book`;
      return { ...base, ...clock, state: "executing", title: `You buy ${what}: executing`, text };
    }
    case "executed":
      return {
        ...base,
        state: "executed",
        title: `You bought ${boughtText(accept, look)}`,
        text: executedText(row, accept, maker, look),
      };
    case "unknown":
      return {
        ...base,
        state: "unknown",
        title: `${what}: sent, not confirmed by the exchange`,
        text: "It is being read; nothing is sent again.",
      };
    default:
      return { ...base, state: "sending", title: `You buy ${what}: ${accept.state_text.toLowerCase()}`, text: who };
  }
}

/** @param {Row} accept @param {Look} look */
function boughtText(accept, look) {
  const count = accept["filled"] ?? accept["contracts"];
  return `${count ? `${countText(count)} ` : ""}${accept["buys"].toUpperCase()} at ${priceText(accept["price"], look)}`;
}

/** @param {Row} row @param {Row} accept @param {string} maker @param {Look} look */
function executedText(row, accept, maker, look) {
  const parts = [`from ${maker} at ${timeText(accept["executed_ms"], look.zone)}`];
  if (accept["filled"] && accept["contracts"] && accept["filled"] !== accept["contracts"])
    parts.push(`of ${countText(accept["contracts"])} accepted`);
  if (accept["cost"]) parts.push(`cost ${moneyText(accept["cost"])}`);
  if (accept["fees"]) parts.push(`fees ${moneyText(accept["fees"])}`);
  return parts.join(", ");
}

/** @param {Row} row @param {Look} look @returns {Progress | null} */
function lapseOf(row, look) {
  const last = lastLapse(row);
  if (!last) return null;
  const what = `${last["buys"].toUpperCase()} at ${priceText(last["price"], look)}`;
  const words = /** @type {Record<string, string>} */ ({
    lapsed: "let lapse by the maker",
    refused: "refused",
    not_seen: "never arrived at the exchange",
    failed: "confirmed, but not executed",
  });
  return {
    state: "lapsed",
    title: `${what}: ${words[last["state"]] ?? last["state_text"]}`,
    text: last["error"] || "Nothing was bought.",
    clock: "",
    share: 0,
    orderId: "",
  };
}

/** @param {number | null} fromMs @param {number | null} toMs @param {number} nowMs */
function clockOf(fromMs, toMs, nowMs) {
  if (!toMs) return { clock: "", share: 0, isOver: false };
  const left = toMs - nowMs;
  const span = Math.max(1, toMs - (fromMs ?? nowMs));
  return { clock: shortCountdown(left), share: Math.min(1, Math.max(0, left / span)), isOver: left <= 0 };
}

/**
 * The footer's short story: when it was asked, how soon somebody quoted, how many do.
 * @param {Row} row
 * @param {Look} look
 */
export function storyOf(row, look) {
  const began = row["opened_ms"] ?? row["created_ms"];
  const parts = [`created ${timeText(row["created_ms"], look.zone)}`];
  const first = (row["timeline"] ?? []).find((/** @type {Row} */ step) => step["what"] === "first_quote");
  if (first) parts.push(`first quote ${(Math.max(0, first["at_ms"] - began) / 1_000).toFixed(1)} s`);
  const all = (row["quotes"] ?? []).length;
  const open = openQuotes(row).length;
  parts.push(all === open || row["state"] === "closed" ? quotesText(all) : `${quotesText(open)}, ${all - open} ended`);
  return parts;
}

/**
 * Every step with its time and how long after the one before.
 * @param {Row} row
 * @param {Look} look
 */
export function stepsOf(row, look) {
  /** @type {number | null} */
  let previous = null;
  return (row["timeline"] ?? []).map((/** @type {Row} */ step) => {
    const after = previous !== null ? `+${((step["at_ms"] - previous) / 1_000).toFixed(1)} s` : "";
    previous = step["at_ms"];
    return { time: timeText(step["at_ms"], look.zone), after, text: step["text"], what: step["what"] };
  });
}

/** What the desk does by itself on this request, in words. @param {Row} row @param {Look} look */
export function autoWords(row, look) {
  const auto = row["auto"];
  if (!auto) return "off";
  const limit = row[`limit_${auto.buys}`];
  const parts = [`${auto.buys.toUpperCase()} at ${limit ? priceText(limit, look) : "?"} or less`];
  if (auto.min_quotes > 1) parts.push(`from ${auto.min_quotes} quotes on`);
  if (auto.after_s) parts.push(`after ${auto.after_s} s`);
  return `${parts.join(", ")}${auto.state === "fired" ? ": done" : ""}`;
}
