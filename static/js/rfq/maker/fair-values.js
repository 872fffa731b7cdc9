/** The desk's own fair values: what is in force, setting one, taking one back, and uploading many from a file. */
import { desk } from "../../frame/desk.js";
import { csrfToken, element, setText } from "../../frame/dom.js";
import { toast } from "../../frame/toasts.js";
import { priceWords } from "../confirm/words.js";
import { fileFaults, markCells, readMark } from "./fair-model.js";
import { formDialog } from "./form-dialog.js";

const HEADS = ["Market", "YES is worth", "Source", "Set by", "Until", ""];

/**
 * @param {object} options
 * @param {{has(name: string): boolean}} options.offers
 * @param {string} options.uploadUrl
 * @param {(ms: number) => string} options.time
 */
export function openFairValues({ offers, uploadUrl, time }) {
  const mayWrite = offers.has("fair.set");
  const list = element("div", { class: "maker__marks", attributes: { role: "status" } });
  const extra = element("div", { class: "maker__fair" }, mayWrite ? [fileField(), list] : [list]);
  formDialog({
    title: "Fair values of the desk",
    text: "Rules that price by our own mark or by a file use these, and the incoming list shows them. Each has an end.",
    fields: [
      { name: "ticker", label: "Market", kind: "text", hint: "its ticker" },
      { name: "cents", label: "One YES is worth", kind: "decimal", suffix: "¢" },
      { name: "hours", label: "For", kind: "number", suffix: "hours", value: "8" },
    ],
    extra,
    yes: "Set",
    check: (values) => readMark(texts(values)).faults,
    async send(values) {
      const { mark } = readMark(texts(values));
      const answer = await desk.socket.command("fair.set", mark);
      if (answer.kind !== "ok") return { text: answer.text, fields: answer.kind === "error" ? answer.fields : {} };
      toast({ title: `${mark["ticker"]} is marked`, level: "ok" });
      return null;
    },
  });
  void refresh();

  /** @param {Record<string, string | boolean>} values */
  function texts({ ticker = "", cents = "", hours = "" }) {
    return { ticker: String(ticker), cents: String(cents), hours: String(hours) };
  }

  async function refresh() {
    const answer = await desk.socket.command("fair.list", {});
    if (answer.kind !== "ok") {
      setText(list, answer.text);
      return;
    }
    const marks = /** @type {Record<string, any>[]} */ (answer.value["marks"]);
    if (!marks.length) {
      list.replaceChildren(element("p", { class: "muted", text: "No fair value is in force." }));
      return;
    }
    const format = desk.data.price_format;
    const rows = marks.map((row) => {
      const cells = markCells(row, time, (raw) => priceWords(raw, format));
      const nodes = Object.values(cells).map((text) => element("td", { text }));
      return element("tr", {}, [...nodes, element("td", {}, mayWrite ? [clearButton(row["ticker"])] : [])]);
    });
    list.replaceChildren(
      element(
        "div",
        { class: "table__wrap", attributes: { tabindex: "0", role: "region", "aria-label": "Fair values in force" } },
        [
          element("table", { class: "table" }, [
            element("thead", {}, [
              element(
                "tr",
                {},
                HEADS.map((text) => element("th", { text, attributes: { scope: "col" } })),
              ),
            ]),
            element("tbody", {}, rows),
          ]),
        ],
      ),
    );
  }

  /** @param {string} ticker */
  function clearButton(ticker) {
    const button = /** @type {HTMLButtonElement} */ (
      element("button", {
        class: "button button--small",
        text: "Take back",
        attributes: { type: "button", "aria-label": `Take back the fair values of ${ticker}` },
      })
    );
    button.addEventListener("click", async () => {
      button.disabled = true;
      const answer = await desk.socket.command("fair.clear", { ticker });
      if (answer.kind !== "ok") {
        button.disabled = false;
        toast({ title: "Not taken back", text: answer.text, level: "danger" });
        return;
      }
      await refresh();
    });
    return button;
  }

  function fileField() {
    const input = /** @type {HTMLInputElement} */ (
      element("input", { attributes: { type: "file", accept: ".csv,text/csv,text/plain", id: "fair-file" } })
    );
    const said = element("div", { class: "maker__file", attributes: { role: "status" } });
    input.addEventListener("change", () => void upload());

    async function upload() {
      const file = input.files?.[0];
      if (!file) return;
      const body = new FormData();
      body.set("file", file);
      body.set("csrfmiddlewaretoken", csrfToken());
      setText(said, `Sending ${file.name}…`);
      try {
        const response = await fetch(uploadUrl, { method: "POST", body, headers: { Accept: "application/json" } });
        const answer = await response.json().catch(() => ({}));
        if (response.ok) {
          setText(said, `${answer.stored} fair values are stored.`);
          await refresh();
        } else {
          const lines = fileFaults(answer.error?.fields ?? {}).map((text) => element("li", { text }));
          const words = answer.error?.text ?? `The desk answered ${response.status}.`;
          said.replaceChildren(element("p", { class: "field__error", text: words }), element("ul", {}, lines));
        }
      } catch {
        setText(said, "The desk cannot be reached. Nothing was stored, or all of it: look at the list.");
      }
      input.value = ""; // the same file again is a change again
    }
    return element("div", { class: "field" }, [
      element("label", {
        class: "field__label",
        text: "Or upload a file: lines of ticker,value[,seconds]",
        attributes: { for: "fair-file" },
      }),
      input,
      said,
    ]);
  }
}
