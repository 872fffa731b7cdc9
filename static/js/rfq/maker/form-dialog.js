/** A dialog of several fields of different kinds, with faults next to each. Esc and the first button change nothing. */
import { desk } from "../../frame/desk.js";
import { element, setText } from "../../frame/dom.js";

/**
 * @typedef {object} FormField
 * @property {string} name
 * @property {string} label
 * @property {"list" | "number" | "decimal" | "text" | "choice" | "flag"} kind
 * @property {string} [value]
 * @property {boolean} [isChecked]
 * @property {string} [hint]
 * @property {[string, string][]} [choices]
 * @property {string} [suffix]
 * @property {string} [group] a heading before this field
 */
/** @typedef {Record<string, string | boolean>} Values */
/** @typedef {{text: string, fields: Record<string, string>} | null} Problem null: it is done */

let count = 0;

/**
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.text
 * @param {FormField[]} question.fields
 * @param {string} question.yes
 * @param {string} [question.remove]
 * @param {Node | ((values: () => Values) => Node)} [question.extra] stands below the fields; may read what they say
 * @param {(values: Values) => Record<string, string>} question.check faults by field
 * @param {(values: Values) => Promise<Problem>} question.send
 * @param {() => Promise<Problem>} [question.onRemove]
 */
export function formDialog({ title, text, fields, yes, remove, extra, check, send, onRemove }) {
  const id = `form-${(count += 1)}`;
  const dialog = /** @type {HTMLDialogElement} */ (
    element("dialog", { class: "dialog maker__dialog", attributes: { "aria-labelledby": id } })
  );
  const form = /** @type {HTMLFormElement} */ (element("form", { attributes: { novalidate: "" } }));
  const problem = element("p", { class: "field__error", attributes: { role: "alert" } });
  const leave = element("button", { class: "button", text: "Leave it", attributes: { type: "button" } });
  const go = /** @type {HTMLButtonElement} */ (element("button", { class: "button button--primary", text: yes }));
  const grid = element("div", { class: "maker__fields" });
  for (const field of fields) {
    if (field.group) grid.append(element("h3", { class: "maker__group", text: field.group }));
    grid.append(fieldNode(id, field));
  }
  const body = element("div", { class: "dialog__body" }, [element("p", { class: "muted", text }), grid]);
  if (extra) body.append(typeof extra === "function" ? extra(values) : extra);
  body.append(problem);
  const footer = element("footer", { class: "dialog__footer" });
  if (remove && onRemove) {
    const button = element("button", {
      class: "button button--danger maker__remove",
      text: remove,
      attributes: { type: "button" },
    });
    button.addEventListener("click", () => void settle(onRemove));
    footer.append(button);
  }
  footer.append(leave, go);
  const { environment } = desk.data;
  form.append(
    element("header", { class: "dialog__header" }, [
      element("h2", { class: "dialog__title", text: title, attributes: { id } }),
      element("span", { class: `badge badge--${environment}`, text: environment }),
    ]),
    body,
    footer,
  );
  dialog.append(form);
  document.body.append(dialog);

  const input = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));

  /** @returns {Values} */
  function values() {
    return Object.fromEntries(
      fields.map(({ name, kind }) => [name, kind === "flag" ? input(name).checked : input(name).value.trim()]),
    );
  }

  /** @param {Record<string, string>} faults */
  function mark(faults) {
    for (const { name } of fields) {
      setText(form.querySelector(`[data-fault="${name}"]`), faults[name] ?? "");
      if (faults[name]) input(name).setAttribute("aria-invalid", "true");
      else input(name).removeAttribute("aria-invalid");
    }
    const first = fields.find(({ name }) => faults[name]);
    if (first) input(first.name).focus();
    return first === undefined;
  }

  /** @param {() => Promise<Problem>} work */
  async function settle(work) {
    if (go.disabled) return;
    go.disabled = true;
    setText(problem, "");
    const found = await work();
    go.disabled = false;
    if (!found) return dialog.close();
    mark(found.fields);
    setText(problem, found.text);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (mark(check(values()))) void settle(() => send(values()));
  });
  leave.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  if (fields[0]) input(fields[0].name).focus();
}

/** @param {string} id @param {FormField} field */
function fieldNode(id, { name, label, kind, value = "", isChecked = false, hint = "", choices = [], suffix = "" }) {
  const own = `${id}-${name}`;
  const fault = element("p", { class: "field__error", attributes: { id: `${own}-fault`, "data-fault": name } });
  const attributes = { id: own, name, autocomplete: "off", "aria-describedby": `${own}-fault` };
  if (kind === "flag") {
    const box = /** @type {HTMLInputElement} */ (element("input", { attributes: { ...attributes, type: "checkbox" } }));
    box.checked = isChecked;
    return element("div", { class: "field maker__flag" }, [
      element("label", { class: "maker__check" }, [box, element("span", { text: label })]),
      fault,
    ]);
  }
  const nodes = [element("label", { class: "field__label", text: label, attributes: { for: own } })];
  if (kind === "choice") {
    const select = /** @type {HTMLSelectElement} */ (element("select", { class: "field__input", attributes }));
    select.append(...choices.map(([each, words]) => element("option", { text: words, attributes: { value: each } })));
    if (value) select.value = value;
    nodes.push(select);
  } else {
    const inputmode = kind === "number" ? "numeric" : kind === "decimal" ? "decimal" : "text";
    const box = element("span", { class: "field__input" }, [
      element("input", { attributes: { ...attributes, value, inputmode, maxlength: "400" } }),
    ]);
    if (suffix) box.append(element("span", { class: "field__suffix", text: suffix }));
    nodes.push(box);
  }
  if (hint) nodes.push(element("p", { class: "field__hint", text: hint }));
  return element("div", { class: "field" }, [...nodes, fault]);
}
