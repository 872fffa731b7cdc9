/** My RFQs: one entry for each request, kept in place while it changes. */
import { element, setAttribute, setText } from "../frame/dom.js";
import { isLive, requestLine, sortRequests } from "./request-model.js";

/** @typedef {import("./words.js").Row} Row */

const SLOW_TICKS = 20;

/**
 * @param {HTMLElement} panel
 * @param {{now: () => number, onChoose: (key: string) => void}} options
 */
export function createRequestList(panel, { now, onChoose }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (panel.querySelector(selector));
  const list = find("[data-requests]");
  /** @type {Map<string, HTMLElement>} */
  const nodes = new Map();
  /** @type {Row[]} */
  let rows = [];
  let selected = "";
  let ticks = 0;

  list.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-request]");
    if (button) onChoose(button.getAttribute("data-request") ?? "");
  });
  list.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const buttons = [...list.querySelectorAll("[data-request]")];
    const at = buttons.indexOf(/** @type {Element} */ (document.activeElement));
    const next = /** @type {HTMLElement | undefined} */ (buttons[at + (event.key === "ArrowDown" ? 1 : -1)]);
    if (!next) return;
    event.preventDefault();
    next.focus();
    onChoose(next.dataset["request"] ?? "");
  });

  /** @param {string} key */
  function nodeOf(key) {
    const known = nodes.get(key);
    if (known) return known;
    const button = element("button", { class: "request", attributes: { type: "button", "data-request": key } }, [
      element("span", { class: "request__title" }),
      element("span", { class: "request__clock num" }),
      element("span", { class: "request__size num" }),
      element("span", { class: "badge" }),
    ]);
    const node = element("li", {}, [button]);
    nodes.set(key, node);
    return node;
  }

  /** @param {Row} row */
  function draw(row) {
    const line = requestLine(row, now());
    const node = nodeOf(line.key);
    const button = /** @type {HTMLElement} */ (node.firstElementChild);
    const [title, clock, size, badge] = /** @type {any} */ (button.children);
    const text = line.parts.join(" · ");
    if (title.dataset.text !== text) {
      title.dataset.text = text;
      title.title = text;
      const isCombo = line.parts.length > 1;
      title.classList.toggle("request__legs", isCombo);
      if (isCombo)
        title.replaceChildren(
          ...line.parts.flatMap((part, index) => [
            ...(index ? [element("span", { class: "visually-hidden", text: ", " })] : []),
            element("span", { class: "request__leg", text: part }),
          ]),
        );
      else title.textContent = text;
    }
    setText(clock, line.clock.text);
    clock.classList.toggle("is-urgent", line.clock.isUrgent && line.isLive);
    setText(size, `${line.size}  ${line.quotes}`);
    setText(badge, line.badge.text);
    badge.className = `badge badge--${line.badge.tone}`;
    button.classList.toggle("is-over", !line.isLive);
    setAttribute(button, "aria-current", String(line.key === selected));
    return node;
  }

  function show() {
    const sorted = sortRequests(rows).map(draw);
    const keys = new Set(rows.map((row) => row["key"]));
    for (const [key, node] of nodes) {
      if (keys.has(key)) continue;
      node.remove();
      nodes.delete(key);
    }
    // Only what stands elsewhere is moved, so that the focus stays where it is.
    sorted.forEach((node, index) => {
      if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
    });
  }

  return {
    /** @param {Row[]} next @param {{isKnown: boolean}} state */
    show(next, { isKnown }) {
      rows = next;
      show();
      list.hidden = rows.length === 0;
      find("[data-requests-waiting]").hidden = isKnown;
      find("[data-requests-empty]").hidden = !isKnown || rows.length > 0;
    },
    /** @param {string} key */
    select(key) {
      selected = key;
      for (const [each, node] of nodes) setAttribute(node.firstElementChild, "aria-current", String(each === key));
      nodes.get(key)?.scrollIntoView({ block: "nearest" });
    },
    /** Clocks only: each time where something runs out, now and then where it is over. */
    tick() {
      ticks += 1;
      for (const row of rows) if (ticks % SLOW_TICKS === 0 || isLive(row)) draw(row);
    },
  };
}
