/** What is asked of order groups: each says first what it does, goes once per click, and shows in the list live. */
import { formatCount } from "../core/fixed.js";
import { ask, askFields } from "../frame/ask.js";
import { desk } from "../frame/desk.js";
import { toast } from "../frame/toasts.js";
import { actionQuestion, readLimit } from "./group-model.js";

/** @typedef {import("./group-model.js").Group} Group */
/** @typedef {"trigger" | "reset" | "delete"} Kind */

const LOST = "The answer was lost. The list of groups shows what becomes of it; look there before you do it again.";
const LIMIT_HINT = "When more contracts than this trade within 15 s, the exchange cancels all orders of the group.";

/** @param {import("../core/socket.js").Outcome} answer @returns {string} "" when the dialog may close */
function outcomeWords(answer) {
  if (answer.kind === "error") return Object.values(answer.fields)[0] ?? answer.text;
  if (answer.kind === "unknown") toast({ title: "Sent, answer lost", text: LOST, level: "warning" });
  return "";
}

/** @param {Record<string, string>} values @returns {Record<string, string>} */
function limitFaults(values) {
  const read = readLimit(values["limit"] ?? "");
  return "error" in read ? { limit: read.error } : {};
}

/** @param {Record<string, string>} values */
function limitOf(values) {
  const read = readLimit(values["limit"] ?? "");
  return "limit" in read ? read.limit : "";
}

/** @param {string} where "account main, subaccount 0" */
export function createGroup(where) {
  // One key for the whole dialog: a second press after a lost answer is the same wish.
  const idempotency_key = crypto.randomUUID();
  askFields({
    title: "New order group",
    text: `In the ${where}. Orders that you put into the group share one limit; when it is passed the exchange cancels them all.`,
    fields: [
      { name: "name", label: "Name, for this desk", hint: "The exchange knows only an id." },
      { name: "limit", label: "Contracts in 15 s", hint: LIMIT_HINT, inputMode: "decimal", maxLength: 16 },
    ],
    yes: "Create",
    check: (values) => ({ ...(values["name"] ? {} : { name: "Give it a name." }), ...limitFaults(values) }),
    send: async (values) =>
      outcomeWords(
        await desk.socket.command("group.create", { idempotency_key, name: values["name"], limit: limitOf(values) }),
      ),
  });
}

/** @param {Group} group */
export function changeLimit(group) {
  const idempotency_key = crypto.randomUUID();
  const now = group.limit === null ? "not known" : formatCount(group.limit);
  askFields({
    title: `Limit of ${group.title}`,
    text: `Now ${now} contracts in 15 s. A limit below what has traded in the last 15 s triggers the group at once: its orders are cancelled.`,
    fields: [
      {
        name: "limit",
        label: "Contracts in 15 s",
        value: group.limit === null ? "" : formatCount(group.limit),
        hint: LIMIT_HINT,
        inputMode: "decimal",
        maxLength: 16,
      },
    ],
    yes: "Change the limit",
    check: limitFaults,
    send: async (values) =>
      outcomeWords(
        await desk.socket.command("group.limit", { idempotency_key, group: group.key, limit: limitOf(values) }),
      ),
  });
}

/** @param {Kind} kind @param {Group} group */
export async function askGroup(kind, group) {
  if (!(await ask({ ...actionQuestion(kind, group), lines: [] }))) return;
  const answer = await desk.socket.command(`group.${kind}`, {
    idempotency_key: crypto.randomUUID(),
    group: group.key,
  });
  if (answer.kind === "error") toast({ title: "Not done", text: answer.text, level: "danger" });
  if (answer.kind === "unknown") toast({ title: "Sent, answer lost", text: LOST, level: "warning" });
}
