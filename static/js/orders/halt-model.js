/** Pauses and cancels of everything, in words: who may not place orders, and what is still left of a cancel. No DOM. */
import { formatAge } from "../core/age.js";
import { plural } from "./scope.js";

/** @typedef {{id: number, scope: "person" | "desk", level?: "pause" | "kill", user_id: number | null, why: string, by: number, at_ms: number, needs_lead: boolean}} Pause */
/** @typedef {{id: number, ticker: string, subaccounts?: number[] | null, left: number, unresolved: number, why: string, started_ms: number, by: number}} Run */
/** @typedef {{pauses: Pause[], cancel_runs: Run[], recovering: boolean, gate?: {closed_ms: number} | null}} Frame of the topic `trading:<account>` */
/** @typedef {Record<string, string>} Names by user id */

/** @param {Names} names @param {number | null} id @param {string} person the signed-in person's id */
const nameOf = (names, id, person) => (String(id) === person ? "you" : (names[String(id)] ?? `person ${id}`));

/**
 * What the top bar says. level: "" nothing to see, "warning" something is in progress, "danger" orders are held back.
 * @param {Frame | null} frame
 * @param {string} person
 */
export function barWords(frame, person) {
  const pauses = frame?.pauses ?? [];
  const runs = frame?.cancel_runs ?? [];
  const left = runs.reduce((sum, run) => Math.max(sum, run.left + run.unresolved), 0);
  const isDesk = pauses.some((pause) => pause.user_id === null);
  const isMine = pauses.some((pause) => String(pause.user_id) === person);
  const others = pauses.filter((pause) => pause.user_id !== null && String(pause.user_id) !== person).length;
  const isKilled = pauses.some(({ level }) => level === "kill");
  const held = isKilled
    ? "Killed"
    : isDesk
      ? "Desk paused"
      : isMine
        ? "You are paused"
        : frame?.gate
          ? "Sending stopped"
          : "";
  const rest = left ? `${left.toLocaleString("en")} left` : "checking";
  if (runs.length) return { text: `${held || "Cancelling"} · ${rest}`, level: held ? "danger" : "warning" };
  if (held) return { text: held, level: "danger" };
  if (others) return { text: `${plural(others, "person").replace("persons", "people")} paused`, level: "warning" };
  if (frame?.recovering) return { text: "Recovering", level: "warning" };
  return { text: "", level: "" };
}

/**
 * @param {Pause} pause
 * @param {{names: Names, person: string, time: (ms: number) => string, mayRelease: boolean}} look mayRelease: a lead's right
 */
export function pauseLine(pause, { names, person, time, mayRelease }) {
  const whom =
    pause.user_id === null
      ? "Everybody on this desk"
      : String(pause.user_id) === person
        ? "You"
        : nameOf(names, pause.user_id, person);
  const why = pause.why ? `: ${pause.why}` : "";
  const isKill = pause.level === "kill";
  const canRelease = !isKill && (mayRelease || (!pause.needs_lead && String(pause.user_id) === person));
  return {
    text: `${isKill ? "Kill switch: " : ""}${whom}, since ${time(pause.at_ms)} by ${nameOf(names, pause.by, person)}${why}`,
    canRelease,
    note: canRelease ? "" : isKill ? "A lead releases it on the page of the kill switch." : "A lead releases it.",
  };
}

/**
 * The closed gate of the account: why nothing leaves, when that ends, and who may end it sooner.
 * @param {{closed_ms: number}} gate
 * @param {{time: (ms: number) => string, mayRelease: boolean}} look mayRelease: a lead's right
 */
export function gateLine(gate, { time, mayRelease }) {
  const why =
    `No order of this account leaves since ${time(gate.closed_ms)}: the exchange accepted two orders in a row without ` +
    "naming them. It goes on by itself when the desk knows what became of them, 30 s later at the earliest.";
  return { text: why, canOpen: mayRelease, note: mayRelease ? "" : "A lead may open it sooner." };
}

/**
 * @param {Run} run
 * @param {{names: Names, person: string, nowMs: number}} look
 */
export function runLine(run, { names, person, nowMs }) {
  const parts = run.subaccounts ?? [];
  const part = parts.length ? `${parts.length > 1 ? "subaccounts" : "subaccount"} ${parts.join(", ")}` : "";
  const place = run.ticker ? `in ${run.ticker}` : part ? "" : "in this account";
  const where = [place, part && `in ${part}`].filter(Boolean).join(" ");
  const rest = [
    run.left ? `${plural(run.left, "order")} still working` : "",
    run.unresolved ? `${plural(run.unresolved, "order")} not known yet, cancelled as soon as found` : "",
  ].filter(Boolean);
  const left = rest.length ? rest.join(", ") : "nothing seen any more, checking";
  const why = run.why ? ` The last refusal: ${run.why}` : "";
  return `Cancel all ${where} by ${nameOf(names, run.by, person)}, ${formatAge(nowMs - run.started_ms)} ago: ${left}.${why}`;
}

/**
 * What the button of the dialog says and does.
 * @param {"nobody" | "me" | "desk"} whom
 * @param {boolean} isCancel
 * @returns {{text: string, command: "" | "order.cancel_all" | "trading.pause", params: Record<string, any>}}
 */
export function haltDeed(whom, isCancel) {
  if (whom === "nobody")
    return isCancel
      ? { text: "Cancel all", command: "order.cancel_all", params: {} }
      : { text: "Nothing chosen", command: "", params: {} };
  const words = whom === "me" ? "Pause me" : "Pause the desk";
  return {
    text: isCancel ? `${words} and cancel all` : words,
    command: "trading.pause",
    params: { scope: whom, ...(isCancel ? { cancel: true } : {}) },
  };
}
