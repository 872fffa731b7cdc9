/** The dialog that amends or decreases one order: says what will be sent while it is typed. */
import { desk } from "../frame/desk.js";
import { setText } from "../frame/dom.js";
import { toast } from "../frame/toasts.js";
import { centsText, fieldText, readChange } from "./change-model.js";
import { formatCount } from "../core/fixed.js";

/** @typedef {import("./row-model.js").BlotterRow} BlotterRow */

/**
 * @param {HTMLDialogElement} dialog
 * @param {{mayAmend: boolean, latest: (key: string) => BlotterRow | null}} options latest: the row as it is now
 */
export function createChanges(dialog, { mayAmend, latest }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (dialog.querySelector(selector));
  const form = /** @type {HTMLFormElement} */ (find("form"));
  const price = /** @type {HTMLInputElement} */ (find("[name=price]"));
  const rest = /** @type {HTMLInputElement} */ (find("[name=rest]"));
  const send = /** @type {HTMLButtonElement} */ (find("[data-change-send]"));
  /** @type {BlotterRow | null} as it was when the dialog was opened: what the person saw */
  let row = null;
  let key = "";
  let isSending = false;

  const typed = () => ({ price: price.value, rest: rest.value });

  function draw() {
    if (!row) return;
    const change = readChange(row, typed(), { mayAmend });
    for (const field of [price, rest]) {
      const fault = change.faults[field.name] ?? "";
      setText(find(`[data-fault="${field.name}"]`), fault);
      if (fault) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
    setText(find("[data-change-words]"), change.words);
    setText(send, change.command === "order.decrease" ? "Decrease" : "Amend");
    send.disabled = !change.command || isSending;
  }

  async function submit() {
    if (!row || isSending) return;
    const change = readChange(row, typed(), { mayAmend });
    if (!change.command) return;
    isSending = true;
    draw();
    const answer = await desk.socket.command(change.command, { ...change.params, idempotency_key: key });
    isSending = false;
    if (answer.kind === "error") {
      // Refused before anything was stored: the next try is a new one.
      key = crypto.randomUUID();
      setText(find("[data-change-problem]"), answer.text);
      draw();
      return;
    }
    dialog.close();
    if (answer.kind === "unknown")
      toast({ title: "Sent, answer lost", text: "The list shows what becomes of the change.", level: "warning" });
  }

  form.addEventListener("input", () => {
    setText(find("[data-change-problem]"), "");
    draw();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  find("[data-change-no]").addEventListener("click", () => dialog.close());

  return {
    /** @param {string} rowKey */
    open(rowKey) {
      row = latest(rowKey);
      if (!row?.canChange) return;
      key = crypto.randomUUID();
      setText(find("[data-change-title]"), `Change ${row.side} in ${row.ticker}`);
      setText(
        find("[data-change-now]"),
        `Now: ${formatCount(row.count)} at ${centsText(row.price)}¢, ${formatCount(row.filled ?? 0)} filled, ${formatCount(row.remaining ?? 0)} left.`,
      );
      setText(find("[data-change-problem]"), "");
      price.value = fieldText(row.price);
      price.readOnly = !mayAmend;
      rest.value = formatCount(row.remaining ?? 0);
      draw();
      dialog.showModal();
      (mayAmend ? price : rest).select();
    },
  };
}
