/** Why no order can be sent now, in words that say what to expect. No DOM here. */
import { DOLLAR, formatPrice, toUnits } from "../core/fixed.js";
import { shownStep } from "./grid.js";

/**
 * @typedef {object} GateFacts
 * @property {boolean} [isLinked] false: this page has no connection to the desk
 * @property {string} feed state of the book: "live", "stale", "down"
 * @property {string} feedWords why it is not live
 * @property {boolean | null} exchangeActive null: not known yet
 * @property {boolean | null} tradingActive
 * @property {string} pause why the desk itself lets this person not trade, or ""
 * @property {string} closed when it opens, where the exchange's own schedule has it closed now, or ""
 * @property {string} resume local time of the announced resumption, or ""
 * @property {string} status the exchange's status of the market
 * @property {string} result "yes", "no", "scalar", "void", or "" when there is none
 * @property {string} settlementValue dollars that one YES contract pays, or "" when not known
 * @property {number} closeMs Unix ms, 0 when not known
 * @property {number} nowMs by the server's clock
 */

const ENDED = "No more orders are taken here.";
const SHUT = "No more orders are taken here, and no cancels: the exchange takes what still rests off itself.";
const UNLINKED = "Nothing goes from this page until it is back, cancels neither. What rests stays on the book.";
const WAIT = "No order goes until that changes; cancels still do.";
const REOPENS = "No order goes until it opens again; the exchange then cancels every order that rests here.";
const STAYS = "What rests stays on the book, unless it was to be cancelled on a pause.";
const NEW_YORK = new Intl.DateTimeFormat("en-US", {
  timeZone: "America/New_York",
  weekday: "short",
  hour: "2-digit",
  hourCycle: "h23",
});

/** Whether the exchange's weekly maintenance is on: Thursdays from 3:00 to 5:00 in New York. @param {number} nowMs */
export function isMaintenance(nowMs) {
  const parts = Object.fromEntries(NEW_YORK.formatToParts(nowMs).map(({ type, value }) => [type, value]));
  return parts["weekday"] === "Thu" && (parts["hour"] === "03" || parts["hour"] === "04");
}

/** " with YES", or what a contract pays where neither side won all of it. @param {GateFacts} facts */
function resultWords({ result, settlementValue }) {
  if (!result) return "";
  if (result === "yes" || result === "no") return ` with ${result.toUpperCase()}`;
  const units = settlementValue ? toUnits(settlementValue, 4) : null;
  const dollars = (/** @type {number} */ each) => formatPrice(each, { format: "dollars", step: shownStep(100, each) });
  const pays = units === null ? "" : `: YES pays ${dollars(units)}, NO ${dollars(DOLLAR - units)}`;
  return result === "void" ? ` as void${pays}` : ` by value${pays}`;
}

/**
 * @param {GateFacts} facts
 * @returns {{reason: string, next: string}} both "" when orders can go
 */
export function gateWords(facts) {
  const result = resultWords(facts);
  switch (facts.status) {
    case "finalized":
    case "settled":
      return { reason: `The market has settled${result}`, next: ENDED };
    case "determined":
      return { reason: `The market is decided${result} and not yet paid out`, next: ENDED };
    case "disputed":
      return { reason: "The result of this market is disputed", next: ENDED };
    case "amended":
      return { reason: `The result of this market was changed${result}`, next: ENDED };
    case "closed":
      return { reason: "The market has closed and waits for its result", next: SHUT };
    case "initialized":
    case "unopened":
      return { reason: "The market has not opened yet", next: WAIT };
    case "inactive":
    case "paused":
      return { reason: "The exchange has paused this market", next: REOPENS };
  }
  if (facts.closeMs && facts.nowMs >= facts.closeMs) return { reason: "The market has closed", next: SHUT };
  // Without the desk nothing is known of the exchange, and no button of this page reaches anything.
  if (facts.isLinked === false)
    return { reason: `No connection to the desk (${facts.feedWords || "connecting"})`, next: UNLINKED };
  // Before the feed: sessions break during a pause, and the pause is why.
  const until = facts.resume ? ` until ${facts.resume}` : "";
  const weekly = isMaintenance(facts.nowMs) ? ", for its weekly maintenance (Thursdays 3:00 to 5:00 in New York)" : "";
  if (facts.exchangeActive === false)
    return {
      reason: `The exchange is closed${until}${weekly}`,
      next: `Neither orders nor cancels are taken. ${STAYS}`,
    };
  if (facts.tradingActive === false && facts.closed && !until && !weekly)
    return { reason: facts.closed, next: `${WAIT} ${STAYS}` };
  if (facts.tradingActive === false)
    return { reason: `Trading is paused at the exchange${until}${weekly}`, next: `${WAIT} ${STAYS}` };
  if (facts.pause) return { reason: facts.pause, next: WAIT };
  if (facts.feed !== "live") {
    return {
      reason: facts.feedWords ? `The book is not live (${facts.feedWords})` : "The book is not live",
      next: WAIT,
    };
  }
  if (facts.status && facts.status !== "active" && facts.status !== "open") {
    return { reason: `The market is ${facts.status.replaceAll("_", " ")}`, next: WAIT };
  }
  return { reason: "", next: "" };
}

/**
 * Why the desk itself holds this person's orders back; "" when it does not.
 * @param {{pauses?: {user_id: number | null, why: string}[], recovering?: boolean, gate?: object | null} | null} frame of `trading:<account>`
 * @param {string} person id of the signed-in person
 */
export function pauseWords(frame, person) {
  const pause = frame?.pauses?.find(({ user_id }) => user_id === null || String(user_id) === person);
  if (pause) {
    const whose = pause.user_id === null ? "Trading is paused for the whole desk" : "Your trading is paused";
    return pause.why ? `${whose}: ${pause.why}` : whose;
  }
  if (frame?.gate)
    return "The exchange accepted two orders in a row without naming them, so none leaves until the desk knows what became of them (see Pause, above)";
  return frame?.recovering ? "The desk is still writing down answers of the exchange" : "";
}

/** A status in one word or two. @param {string} status */
export function statusWords(status) {
  return status === "active" ? "open" : status.replaceAll("_", " ");
}
