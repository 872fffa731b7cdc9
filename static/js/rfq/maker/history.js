/** A rule's versions in a dialog, and what changed terms would have made of the last day, below its editor. */
import { desk } from "../../frame/desk.js";
import { element, setText } from "../../frame/dom.js";
import { priceWords } from "../confirm/words.js";
import { replayLines, replayRow, versionLines } from "./history-model.js";

const MOST_ROWS = 50;
let count = 0;

/** @typedef {import("./rules-model.js").Row} Row */

/**
 * A dialog that only tells.
 * @param {string} title
 * @param {Node[]} body
 */
export function tellDialog(title, body) {
  const id = `tell-${(count += 1)}`;
  const close = element("button", { class: "button button--primary", text: "Close" });
  const dialog = /** @type {HTMLDialogElement} */ (
    element("dialog", { class: "dialog maker__dialog", attributes: { "aria-labelledby": id } })
  );
  const form = element("form", { attributes: { method: "dialog" } }, [
    element("header", { class: "dialog__header" }, [
      element("h2", { class: "dialog__title", text: title, attributes: { id } }),
      element("span", { class: `badge badge--${desk.data.environment}`, text: desk.data.environment }),
    ]),
    element("div", { class: "dialog__body" }, body),
    element("footer", { class: "dialog__footer" }, [close]),
  ]);
  dialog.append(form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
  return dialog;
}

/**
 * Who made what of a rule, and why.
 * @param {Row} row
 * @param {(ms: number) => string} time
 */
export async function showVersions(row, time) {
  const place = element("div", { class: "maker__history", attributes: { role: "status" } }, [
    element("p", { class: "muted", text: "Asking the desk…" }),
  ]);
  tellDialog(`History of ${row["name"]}`, [place]);
  const answer = await desk.socket.command("rule.versions", { rule: row["key"] });
  if (answer.kind !== "ok") {
    place.replaceChildren(element("p", { class: "field__error", text: answer.text }));
    return;
  }
  place.replaceChildren(
    ...versionLines(answer.value["versions"], time).map((line) =>
      element("section", { class: "maker__version" }, [
        element("h3", { class: "maker__group", text: `${line.number} · ${line.who}` }),
        element("p", { text: line.why }),
        ...(line.armed ? [element("p", { class: "muted", text: line.armed })] : []),
        element(
          "ul",
          { class: "maker__changes" },
          line.changes.map((text) => element("li", { text })),
        ),
      ]),
    ),
  );
}

/**
 * The part of a rule's editor that tries its terms on the last day.
 * @param {Row} row
 * @param {() => {terms: Record<string, any>, faults: Record<string, string>}} read the terms as they stand in the form
 */
export function replayPart(row, read) {
  const button = /** @type {HTMLButtonElement} */ (
    element("button", { class: "button", text: "Try on the last 24 hours", attributes: { type: "button" } })
  );
  const place = element("div", { class: "maker__replay", attributes: { role: "status" } });
  button.addEventListener("click", () => void run());

  async function run() {
    const { terms, faults } = read();
    const fault = Object.values(faults)[0];
    if (fault) return setText(place, `These terms cannot be read: ${fault}`);
    button.disabled = true;
    setText(place, "Asking the desk…");
    const answer = await desk.socket.command("rule.replay", { rule: row["key"], terms });
    button.disabled = false;
    if (answer.kind !== "ok") return setText(place, answer.text);
    place.replaceChildren(...report(answer.value["replay"]));
    return undefined;
  }
  return element("div", { class: "maker__try" }, [button, place]);
}

/** @param {Row} replay */
function report(replay) {
  const lines = replayLines(replay);
  const list = element("dl", { class: "maker__facts" });
  for (const { what, text } of lines) list.append(element("dt", { text: what }), element("dd", { text }));
  const format = desk.data.price_format;
  const rows = /** @type {Row[]} */ (replay["rows"]).slice(0, MOST_ROWS);
  /** @type {Node[]} */
  const nodes = [list];
  if (rows.length) {
    const head = element(
      "tr",
      {},
      ["Market", "Then", "With these terms", "Accept"].map((text) =>
        element("th", { text, attributes: { scope: "col" } }),
      ),
    );
    const body = rows.map((row) => {
      const text = replayRow(row, (raw) => priceWords(raw, format));
      return element(
        "tr",
        {},
        [text.ticker, text.before, text.after, text.outcome].map((each) => element("td", { text: each })),
      );
    });
    nodes.push(
      element(
        "div",
        {
          class: "table__wrap",
          attributes: { tabindex: "0", role: "region", "aria-label": "Requests that would be answered otherwise" },
        },
        [element("table", { class: "table" }, [element("thead", {}, [head]), element("tbody", {}, body)])],
      ),
    );
  }
  nodes.push(
    element("p", { class: "muted", text: replay["is_whole"] ? replay["note"] : `Not all of it: ${replay["note"]}` }),
  );
  return nodes;
}
