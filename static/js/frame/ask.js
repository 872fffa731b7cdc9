/** Questions in a dialog of the page's own look: a yes or no, or a few fields. Esc and the first button change nothing. */
import { desk } from "./desk.js";
import { element, setText } from "./dom.js";

let count = 0;

/** @param {string} title @param {string} css */
function frame(title, css) {
  const id = `ask-${(count += 1)}`;
  const dialog = /** @type {HTMLDialogElement} */ (
    element("dialog", { class: `dialog ${css}`.trim(), attributes: { "aria-labelledby": id } })
  );
  const { environment } = desk.data;
  const header = element("header", { class: "dialog__header" }, [
    element("h2", { class: "dialog__title", text: title, attributes: { id } }),
    element("span", { class: `badge badge--${environment}`, text: environment }),
  ]);
  const form = /** @type {HTMLFormElement} */ (element("form", { attributes: { novalidate: "" } }, [header]));
  dialog.append(form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  return { dialog, form };
}

/** @param {string} no @param {string} yes @param {boolean} isDanger */
function footer(no, yes, isDanger) {
  const leave = element("button", { class: "button", text: no, attributes: { type: "button", "data-no": "" } });
  const tone = isDanger ? "button--danger" : "button--primary";
  const go = element("button", { class: `button ${tone}`, text: yes, attributes: { "data-yes": "" } });
  return {
    leave,
    go: /** @type {HTMLButtonElement} */ (go),
    node: element("footer", { class: "dialog__footer" }, [leave, go]),
  };
}

/**
 * Ask a yes or no. True only for the button that says what will happen.
 * @param {{title: string, text: string, lines?: string[], yes: string, no?: string, isDanger?: boolean}} question
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, lines = [], yes, no = "Leave it", isDanger = false }) {
  const { dialog, form } = frame(title, "ask");
  const body = element("div", { class: "dialog__body" }, [element("p", { text })]);
  if (lines.length)
    body.append(
      element(
        "ul",
        { class: "ask__lines" },
        lines.map((line) => element("li", { text: line })),
      ),
    );
  const { leave, node } = footer(no, yes, isDanger);
  form.append(body, node);
  let isYes = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    isYes = true;
    dialog.close();
  });
  leave.addEventListener("click", () => dialog.close());
  dialog.showModal();
  leave.focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(isYes)));
}

/**
 * @typedef {{name: string, label: string, value?: string, hint?: string, suffix?: string, inputMode?: string, maxLength?: number}} AskedField
 */

/**
 * Ask for a few fields. `send` does it and returns "" when it is done, else what to say; the dialog stays then.
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.text
 * @param {AskedField[]} question.fields
 * @param {string} question.yes
 * @param {(values: Record<string, string>) => Record<string, string>} question.check faults by field
 * @param {(values: Record<string, string>) => Promise<string>} question.send
 */
export function askFields({ title, text, fields, yes, check, send }) {
  const { dialog, form } = frame(title, "ask");
  const body = element("div", { class: "dialog__body" }, [element("p", { text })]);
  for (const field of fields) body.append(fieldNode(field));
  const problem = element("p", { class: "field__error", attributes: { role: "alert" } });
  const { leave, go, node } = footer("Leave it", yes, false);
  form.append(body, problem, node);
  body.append(problem);
  const input = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  const values = () => Object.fromEntries(fields.map(({ name }) => [name, input(name).value.trim()]));

  /** @param {Record<string, string>} faults */
  function mark(faults) {
    for (const { name } of fields) {
      setText(form.querySelector(`[data-fault="${name}"]`), faults[name] ?? "");
      input(name).toggleAttribute("aria-invalid", false);
      if (faults[name]) input(name).setAttribute("aria-invalid", "true");
    }
    const first = fields.find(({ name }) => faults[name]);
    if (first) input(first.name).focus();
    return first === undefined;
  }

  form.addEventListener("input", () => setText(problem, ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.disabled || !mark(check(values()))) return;
    go.disabled = true;
    const words = await send(values());
    go.disabled = false;
    if (words) setText(problem, words);
    else dialog.close();
  });
  leave.addEventListener("click", () => dialog.close());
  dialog.showModal();
  const first = fields[0];
  if (first) input(first.name).select();
}

/** @param {AskedField} field */
function fieldNode({ name, label, value = "", hint = "", suffix = "", inputMode = "text", maxLength = 60 }) {
  const id = `ask-field-${name}`;
  const attributes = {
    id,
    name,
    value,
    inputmode: inputMode,
    maxlength: String(maxLength),
    autocomplete: "off",
    "aria-describedby": `${id}-fault`,
  };
  const box = element("span", { class: "field__input" }, [element("input", { attributes })]);
  if (suffix) box.append(element("span", { class: "field__suffix", text: suffix }));
  const nodes = [element("label", { class: "field__label", text: label, attributes: { for: id } }), box];
  if (hint) nodes.push(element("p", { class: "field__hint", text: hint }));
  nodes.push(element("p", { class: "field__error", attributes: { id: `${id}-fault`, "data-fault": name } }));
  return element("div", { class: "field" }, nodes);
}
