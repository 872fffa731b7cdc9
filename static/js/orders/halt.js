/** Pause and cancel all, from every page: a button in the top bar, its dialog, and what is left until nothing is. */
import { ask } from "../frame/ask.js";
import { desk } from "../frame/desk.js";
import { element, setAttribute, setText } from "../frame/dom.js";
import { announce, toast } from "../frame/toasts.js";
import { barWords, gateLine, haltDeed, pauseLine, runLine } from "./halt-model.js";
import { plural, reachWords, scopeLines, scopeWords } from "./scope.js";
import { toUnits } from "../core/fixed.js";

/** @typedef {import("./halt-model.js").Frame} Frame */
/** @typedef {import("./halt-model.js").Pause} Pause */

const TICK_MS = 1_000;
const LOST = "The answer was lost. The top bar shows what is in force; doing it again does no harm.";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-halt]"));
const opener = /** @type {HTMLButtonElement | null} */ (root.querySelector("[data-halt-open]"));
const dialog = /** @type {HTMLDialogElement | null} */ (root.querySelector("dialog"));
const { account = "", accountName = "", person = "", peopleUrl = "", reach = "part" } = root.dataset;
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: desk.data.time_zone, timeStyle: "medium" });
/** @type {Frame | null} */
let frame = null;
/** @type {Record<string, string>} */
let names = {};
let hasNames = false;
/** @type {Set<number>} */
let runsSeen = new Set();
let isSending = false;
/** @type {(() => void) | null} */
let leaveOrders = null;

const part = (/** @type {string} */ name) =>
  /** @type {HTMLElement} */ (dialog?.querySelector(`[data-halt-part="${name}"]`));
const whom = () =>
  /** @type {"nobody" | "me" | "desk"} */ (
    /** @type {HTMLInputElement | null} */ (dialog?.querySelector("[name=whom]:checked"))?.value ?? "nobody"
  );
const cancelBox = () => /** @type {HTMLInputElement} */ (dialog?.querySelector("[name=cancel]"));

/* --- the bar ----------------------------------------------------------------------------------- */

function showBar() {
  const { text, level } = barWords(frame, person);
  const label = root.querySelector("[data-halt-label]");
  setText(label, text || (opener ? "Pause" : ""));
  setAttribute(root, "data-level", level);
  const said = /** @type {HTMLElement | null} */ (root.querySelector("[data-halt-said]"));
  if (said) said.hidden = text === "";
}

/** @param {Frame} next */
function take(next) {
  const before = frame;
  frame = next;
  const now = new Set(next.cancel_runs.map(({ id }) => id));
  for (const id of runsSeen) {
    if (now.has(id)) continue;
    const own = before?.cancel_runs.find((run) => run.id === id);
    const where = own?.ticker ? ` in ${own.ticker}` : "";
    const title = `Nothing is left working${where}`;
    if (own && String(own.by) === person) toast({ title, text: "Cancel all is done.", level: "ok" });
    else announce(`${title}.`);
  }
  runsSeen = now;
  const [was, is] = [barWords(before, person).text, barWords(next, person).text];
  if (before && was !== is && /paused|stopped/i.test(was + is)) announce(is || "Orders pass again.", "assertive");
}

/* --- the dialog -------------------------------------------------------------------------------- */

async function readNames() {
  if (hasNames) return;
  try {
    const response = await fetch(peopleUrl, { headers: { Accept: "application/json" } });
    if (response.ok) names = (await response.json()).people;
    hasNames = response.ok;
  } catch {
    // Ids stand in for names until the next opening.
  }
  showDialog();
}

function workingRows() {
  const rows = desk.topics.peek(`orders:${account}`)?.rows.values() ?? [];
  return rows
    .filter((row) => row["state"] === "resting")
    .map((row) => ({ ticker: row["ticker"], remaining: toUnits(row["remaining"], 2) }));
}

function showDialog() {
  if (!dialog?.open) return;
  const state = desk.topics.peek(`orders:${account}`);
  const rows = workingRows();
  const known = state && state.version >= 0;
  const scope = !known ? "reading what works" : rows.length ? scopeWords(rows) : "nothing is working now";
  const beyond = whom() === "desk" ? " The desk's other accounts are cancelled too." : "";
  setText(part("scope"), `${reachWords(accountName, reach)}: ${scope}.${beyond}`);
  part("lines").replaceChildren(
    ...(cancelBox().checked ? scopeLines(rows, 5).map((line) => element("li", { text: line })) : []),
  );
  const deed = haltDeed(whom(), cancelBox().checked);
  const go = /** @type {HTMLButtonElement} */ (part("go"));
  setText(go, deed.text);
  go.disabled = isSending || deed.command === "";
  part("why").hidden = whom() === "nobody";
  showForce();
}

/** What is in force, and what is left of cancels: each second, and with each frame. */
function showForce() {
  if (!dialog?.open) return;
  const look = {
    names,
    person,
    nowMs: desk.clock.now(),
    time: (/** @type {number} */ ms) => clock.format(ms),
    mayRelease: desk.may("kill.release"),
  };
  const pauses = frame?.pauses ?? [];
  const gate = frame?.gate ? gateLine(frame.gate, look) : null;
  const shut = gate
    ? [
        {
          key: `gate:${gate.canOpen}`,
          text: `${gate.text} ${gate.note}`.trim(),
          button: gate.canOpen ? "Open it now" : "",
          id: 0,
        },
      ]
    : [];
  const lines = pauses.map((pause) => {
    const { text, canRelease, note } = pauseLine(pause, look);
    const key = `${pause.id}:${canRelease}`;
    return { key, text: note ? `${text}. ${note}` : text, button: canRelease ? "Release" : "", id: pause.id };
  });
  const runs = (frame?.cancel_runs ?? []).map((run) => ({
    key: `run:${run.id}`,
    text: runLine(run, look),
    button: "",
    id: run.id,
  }));
  const list = part("force");
  const wanted = [...shut, ...lines, ...runs];
  const isSame =
    wanted.length === list.children.length &&
    wanted.every(({ key }, at) => list.children[at]?.getAttribute("data-key") === key);
  if (!isSame)
    list.replaceChildren(
      ...wanted.map(({ key, button, id }) => {
        const nodes = [element("span", { attributes: { "data-text": "" } })];
        if (button) {
          const attributes = { type: "button", ...(id ? { "data-release": String(id) } : { "data-open-gate": "" }) };
          nodes.push(element("button", { class: "button button--small", text: button, attributes }));
        }
        return element("li", { attributes: { "data-key": key } }, nodes);
      }),
    );
  wanted.forEach(({ text }, at) => setText(list.children[at]?.querySelector("[data-text]") ?? null, text));
  part("calm").hidden = wanted.length > 0;
}

function open() {
  if (!dialog || dialog.open) return;
  leaveOrders ??= desk.topics.watch(`orders:${account}`, showDialog);
  setText(part("problem"), "");
  dialog.showModal();
  /** @type {HTMLInputElement} */ (dialog.querySelector("[name=whom]:checked")).focus();
  void readNames();
  showDialog();
}

async function go() {
  const deed = haltDeed(whom(), cancelBox().checked);
  if (!deed.command || isSending) return;
  isSending = true;
  showDialog();
  const why = /** @type {HTMLInputElement | null} */ (dialog?.querySelector("[name=why]"))?.value.trim();
  const answer = await desk.socket.command(deed.command, { ...deed.params, ...(why ? { why } : {}) });
  isSending = false;
  if (answer.kind === "error") setText(part("problem"), answer.text);
  else {
    setText(part("problem"), "");
    if (answer.kind === "unknown") toast({ title: "Sent, answer lost", text: LOST, level: "warning" });
    else told(deed, answer.value);
  }
  showDialog();
}

/** @param {ReturnType<typeof haltDeed>} deed @param {Record<string, any>} value */
function told(deed, value) {
  const words = [
    deed.params["cancel"] || deed.command === "order.cancel_all"
      ? `Cancelling ${plural(value["cancels"], "order")}`
      : "",
    value["withdrawn"] ? `${plural(value["withdrawn"], "order")} withdrawn before the send` : "",
    value["unresolved"] ? `${plural(value["unresolved"], "order")} not known yet: followed until it is` : "",
  ].filter(Boolean);
  const title =
    deed.params["scope"] === "desk" ? "The desk is paused" : deed.params["scope"] ? "You are paused" : "Cancel all";
  toast({ title, text: words.length ? `${words.join("; ")}.` : "No order passes until it is released.", level: "ok" });
}

/** @param {number} id */
async function release(id) {
  const pause = frame?.pauses.find((each) => each.id === id);
  if (!pause) return;
  const text = "Orders pass again from then on. Nothing that was cancelled comes back.";
  if (
    pause.user_id === null &&
    !(await ask({ title: "Release the desk?", text, yes: "Release everybody", no: "Stay paused" }))
  )
    return;
  const answer = await desk.socket.command("trading.resume", { pause_id: id });
  if (answer.kind === "error") setText(part("problem"), answer.text);
  else if (answer.kind === "unknown") toast({ title: "Sent, answer lost", text: LOST, level: "warning" });
  else toast({ title: "Released", text: "Orders pass again.", level: "ok" });
}

async function openGate() {
  const isSure = await ask({
    title: "Let orders leave again?",
    text: "What became of the orders behind this may not be known yet. One more answer of that kind stops it again.",
    yes: "Open it now",
    no: "Leave it",
  });
  if (!isSure) return;
  const answer = await desk.socket.command("trading.open_gate", {});
  if (answer.kind === "error") setText(part("problem"), answer.text);
  else if (answer.kind === "unknown") toast({ title: "Sent, answer lost", text: LOST, level: "warning" });
  else toast({ title: "Orders leave again", text: `In the account ${accountName}.`, level: "ok" });
}

if (account) {
  desk.topics.watch(`trading:${account}`, (state) => {
    if (state.value && state.value !== frame) take(state.value);
    showBar();
    showDialog();
  });
}
opener?.addEventListener("click", open);
dialog?.addEventListener("close", () => {
  leaveOrders?.();
  leaveOrders = null;
});
dialog?.addEventListener("change", showDialog);
dialog?.querySelector("form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  void go();
});
dialog?.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  if (target.closest("[data-halt-close]")) dialog.close();
  const id = target.closest("[data-release]")?.getAttribute("data-release");
  if (id) void release(Number(id));
  if (target.closest("[data-open-gate]")) void openGate();
});
if (opener) {
  desk.keys.register({ keys: "Shift+P", label: "Pause trading, cancel all (asks first)", run: open });
  setInterval(showForce, TICK_MS);
}
