/** The Subaccounts page: a live tree, the preview of a transfer while it is typed, and what is asked over the socket. */
import { fromUnits, MONEY_PLACES } from "../core/fixed.js";
import { ask } from "../frame/ask.js";
import { desk } from "../frame/desk.js";
import { setText } from "../frame/dom.js";
import { announce, toast } from "../frame/toasts.js";
import { cashOf, cashText, previewOf, readAmount, sendWords } from "./transfer-model.js";

const LOST =
  "The answer was lost. The list of what was asked shows what becomes of it; look there before you do it again.";
const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='subaccounts']"));
const live = /** @type {HTMLElement} */ (root.querySelector("[data-live]"));
const { account = "", liveUrl = "" } = root.dataset;

/** Cash by number as the last frame told it. @type {Map<string, string>} */
const cash = new Map();
/** State of each asked thing, to say aloud what has changed. @type {Map<number, string>} */
const states = new Map();
let isReading = false;
let isStale = false;

async function readAgain() {
  if (isReading) {
    isStale = true;
    return;
  }
  isReading = true;
  isStale = false;
  try {
    const answer = await fetch(liveUrl, { headers: { Accept: "text/html" } });
    if (answer.ok) swap(await answer.text());
  } catch {
    // The next frame asks again; the frame's own link light says what is wrong.
  }
  isReading = false;
  if (isStale) void readAgain();
}

/** Replace the live parts and leave the focus where it was. @param {string} html */
function swap(html) {
  const active = document.activeElement;
  const label = active && live.contains(active) ? active.getAttribute("aria-label") : null;
  live.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  if (label) /** @type {HTMLElement | null} */ (live.querySelector(`[aria-label="${CSS.escape(label)}"]`))?.focus();
  root.dataset["loads"] = String(Number(root.dataset["loads"] ?? "0") + 1);
}

desk.topics.watch(`subaccounts:${account}`, (state) => {
  live.toggleAttribute("data-old", !state.isFresh);
  if (!state.value) return;
  for (const row of state.value.subaccounts) {
    if (row.cash !== null) cash.set(String(row.number), row.cash);
    offer(row);
  }
  for (const action of state.value.actions) {
    const before = states.get(action.id);
    if (before !== undefined && before !== action.state) announce(`${action.what}: ${action.state_text}.`);
    states.set(action.id, action.state);
  }
  show();
  void readAgain();
});

// --- a transfer ---------------------------------------------------------------------------------

const form = /** @type {HTMLFormElement | null} */ (root.querySelector("[data-transfer]"));
/** One key for one wish: pressing again after a lost answer is the same wish. */
let transferKey = crypto.randomUUID();

/** Let a subaccount be chosen that appeared after the page was made. @param {{number: number, name: string}} row */
function offer({ number, name }) {
  for (const select of form?.querySelectorAll("select") ?? []) {
    if ([...select.options].some((option) => option.value === String(number))) continue;
    select.append(new Option(name ? `${number} ${name}` : String(number), String(number)));
  }
}

/** @param {string} name */
function control(name) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (form?.elements.namedItem(name));
}

function typed() {
  const [from, to, amount] = [control("from").value, control("to").value, control("amount").value];
  const of = (/** @type {string} */ number, /** @type {HTMLInputElement | HTMLSelectElement} */ select) => {
    const option = /** @type {HTMLSelectElement} */ (select).selectedOptions?.[0];
    return cashOf(cash.get(number) ?? option?.dataset["cash"] ?? "");
  };
  return { from, to, amount, fromCash: of(from, control("from")), toCash: of(to, control("to")) };
}

function show() {
  if (!form) return;
  const now = typed();
  const told = previewOf(now);
  /** @type {[string, string, number | null, number | null][]} */
  const sides = [
    ["from", now.from, now.fromCash, told.fromAfter],
    ["to", now.to, now.toCash, told.toAfter],
  ];
  for (const [side, number, before, after] of sides) {
    setText(form.querySelector(`[data-name="${side}"]`), number);
    setText(form.querySelector(`[data-before="${side}"]`), cashText(before));
    setText(form.querySelector(`[data-after="${side}"]`), cashText(after));
  }
  setText(form.querySelector("[data-fault]"), told.fault);
  const send = /** @type {HTMLButtonElement} */ (form.querySelector("[data-send]"));
  setText(send, sendWords(now.amount, now.from, now.to));
  send.disabled = !told.isReady;
}

/** @param {SubmitEvent} event */
async function send(event) {
  event.preventDefault();
  if (!form) return;
  const now = typed();
  const read = readAmount(now.amount);
  if (!previewOf(now).isReady || !("amount" in read)) return;
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("[data-send]"));
  button.disabled = true;
  const answer = await desk.socket.command("transfer.send", {
    idempotency_key: transferKey,
    from: Number(now.from),
    to: Number(now.to),
    amount: fromUnits(read.amount, MONEY_PLACES),
  });
  if (answer.kind === "ok") {
    transferKey = crypto.randomUUID();
    control("amount").value = "";
    toast({ title: "Transfer asked for", text: "The list shows when the exchange has done it.", level: "ok" });
  }
  show();
  if (answer.kind === "error")
    setText(form.querySelector("[data-fault]"), Object.values(answer.fields)[0] ?? answer.text);
  if (answer.kind === "unknown") toast({ title: "Sent, answer lost", text: LOST, level: "warning" });
}

if (form) {
  form.addEventListener("input", () => {
    transferKey = crypto.randomUUID(); // something else is wished for
    show();
  });
  form.addEventListener("submit", (event) => void send(event));
  root.querySelector("[data-confirm]")?.remove();
  show();
}

// --- netting and new subaccounts ----------------------------------------------------------------

/** @param {import("../core/socket.js").Outcome} answer @param {string} title */
function tell(answer, title) {
  if (answer.kind === "ok") toast({ title, text: "The list shows when the exchange has done it.", level: "ok" });
  if (answer.kind === "error") toast({ title: "Nothing was done", text: answer.text, level: "danger" });
  if (answer.kind === "unknown") toast({ title: "Sent, answer lost", text: LOST, level: "warning" });
}

live.addEventListener("submit", async (event) => {
  const netting = /** @type {HTMLFormElement} */ (event.target);
  if (!netting.matches("[data-netting]")) return;
  event.preventDefault();
  const data = new FormData(netting);
  const number = Number(data.get("number"));
  const isOn = data.get("is_netting") === "on";
  const text = isOn
    ? "YES and NO contracts of one market will be netted again."
    : "The exchange will keep YES and NO contracts of one market side by side.";
  const title = `Switch netting of subaccount ${number} ${isOn ? "on" : "off"}?`;
  if (!(await ask({ title, text, yes: `Switch ${isOn ? "on" : "off"}` }))) return;
  const params = { idempotency_key: String(data.get("idempotency_key")), number, is_netting: isOn };
  tell(await desk.socket.command("subaccount.netting", params), "Netting asked for");
});

const create = /** @type {HTMLFormElement | null} */ (root.querySelector("[data-create]"));
create?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(create);
  const params = { idempotency_key: String(data.get("idempotency_key")), name: String(data.get("name") ?? "") };
  const answer = await desk.socket.command("subaccount.create", params);
  if (answer.kind === "ok") {
    /** @type {HTMLInputElement} */ (create.elements.namedItem("idempotency_key")).value = crypto.randomUUID();
    /** @type {HTMLInputElement} */ (create.elements.namedItem("name")).value = "";
  }
  tell(answer, "New subaccount asked for");
});
