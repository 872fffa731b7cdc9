/** Cancels from the blotter: one at once, several after a question that says what they are. */
import { desk } from "../frame/desk.js";
import { element, setText } from "../frame/dom.js";
import { toast } from "../frame/toasts.js";
import { DeskRefusal, post } from "./desk-http.js";
import { plural, reachWords, scopeLines, scopeWords } from "./scope.js";

/** @typedef {import("./row-model.js").BlotterRow} BlotterRow */

const LOST = "The answer was lost. The list shows what becomes of each order; cancelling again does no harm.";

/**
 * @param {HTMLDialogElement} dialog
 * @param {{account: string, cancelAllUrl: string, reach: string}} where
 */
export function createCancels(dialog, { account, cancelAllUrl, reach }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (dialog.querySelector(selector));

  /**
   * Ask; true once the person said yes. Esc and the first button keep the orders.
   * @param {string} title
   * @param {string} text
   * @param {string[]} lines
   */
  function ask(title, text, lines) {
    setText(find("[data-confirm-title]"), `${title}?`);
    setText(find("[data-confirm-text]"), text);
    setText(find("[data-confirm-yes]"), title);
    find("[data-confirm-list]").replaceChildren(...lines.map((line) => element("li", { text: line })));
    dialog.returnValue = "no";
    dialog.showModal();
    find("[data-confirm-no]").focus();
    return new Promise((/** @type {(isYes: boolean) => void} */ resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }

  /** @param {unknown} error */
  function tell(error) {
    if (error instanceof DeskRefusal) toast({ title: "Not cancelled", text: error.message, level: "danger" });
    else toast({ title: "Cancel sent, answer lost", text: LOST, level: "warning" });
  }

  /** @param {Record<"cancels" | "withdrawn" | "unresolved" | "done", string[]>} done keys by what was done */
  function manyToast({ cancels, withdrawn, unresolved, done }) {
    const words = [
      withdrawn.length ? `${plural(withdrawn.length, "order")} withdrawn before the send.` : "",
      done.length ? `${plural(done.length, "order")} ended before that.` : "",
      unresolved.length ? `${plural(unresolved.length, "order")} not known yet: look at the tab Unknown.` : "",
    ];
    toast({
      title: `Cancelling ${plural(cancels.length, "order")}`,
      text: words.filter(Boolean).join(" "),
      level: unresolved.length ? "warning" : "ok",
    });
  }

  return {
    /** @param {BlotterRow} row */
    async one(row) {
      const answer = await desk.socket.command("order.cancel", {
        order_id: row.orderId,
        idempotency_key: crypto.randomUUID(),
      });
      if (answer.kind === "error") toast({ title: "Not cancelled", text: answer.text, level: "danger" });
      if (answer.kind === "unknown") toast({ title: "Cancel sent, answer lost", text: LOST, level: "warning" });
    },
    /** @param {BlotterRow[]} rows @param {string} accountName @returns {Promise<boolean>} whether it was asked of the desk */
    async selected(rows, accountName) {
      const isYes = await ask(`Cancel ${scopeWords(rows)}`, `In the account ${accountName}:`, scopeLines(rows));
      if (!isYes) return false;
      const answer = await desk.socket.command("order.cancel_many", { keys: rows.map((row) => row.key) });
      if (answer.kind === "error") {
        toast({ title: "Not cancelled", text: answer.text, level: "danger" });
        return false;
      }
      if (answer.kind === "unknown") toast({ title: "Cancel sent, answer lost", text: LOST, level: "warning" });
      else manyToast(answer.value);
      return true;
    },
    /** @param {BlotterRow[]} working @param {number} unknown @param {string} accountName */
    async all(working, unknown, accountName) {
      const what = working.length ? scopeWords(working) : "whatever is working";
      const beyond = unknown
        ? ` ${plural(unknown, "order")} with an unknown outcome cannot be cancelled before it is known what they are.`
        : "";
      const text = `${reachWords(accountName, reach)}: everything that works.${beyond}`;
      if (!(await ask(`Cancel ${what}`, text, scopeLines(working)))) return;
      try {
        const done = await post(cancelAllUrl, { account_id: account, confirmed: "yes" });
        const words = [
          done["withdrawn"] ? `${plural(done["withdrawn"], "order")} withdrawn before the send.` : "",
          done["unresolved"] ? `${plural(done["unresolved"], "order")} not known yet: look at the tab Unknown.` : "",
        ];
        toast({
          title: `Cancelling ${plural(done["cancels"], "order")}`,
          text: words.filter(Boolean).join(" "),
          level: done["unresolved"] ? "warning" : "ok",
        });
      } catch (error) {
        tell(error);
      }
    },
  };
}
