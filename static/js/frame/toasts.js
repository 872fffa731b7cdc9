/** Results of the person's own actions (toasts), what else happened (notices), and words for screen readers. */

import { desk } from "./desk.js";
import { element, iconNode } from "./dom.js";

/** @typedef {"ok" | "info" | "warning" | "danger"} Level */

const SHOWN_MS = { ok: 5_000, info: 5_000, warning: 12_000, danger: 0 };
const MAX_TOASTS = 4;
const MAX_NOTICES = 200;
const ICONS = { ok: "check", info: "info", warning: "warning", danger: "danger" };

/**
 * Say something to screen readers. Assertive only for what cannot wait (confirm windows, refusals).
 * @param {string} text
 * @param {"polite" | "assertive"} [how]
 */
export function announce(text, how = "polite") {
  const region = document.querySelector(`[data-announce="${how}"]`);
  if (region) region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

/**
 * Show the result of the person's own action. Danger stays until it is closed.
 * @param {{title: string, text?: string, level?: Level}} message
 */
export function toast({ title, text = "", level = "info" }) {
  const holder = document.querySelector("[data-toasts]");
  if (!holder) return;
  const close = element("button", {
    class: "button button--quiet button--icon button--small",
    attributes: { type: "button", "aria-label": "Dismiss" },
  });
  close.append(iconNode("close"));
  const body = element("div", { class: "toast__body" }, [element("p", { class: "toast__title", text: title })]);
  if (text) body.append(element("p", { class: "toast__text", text }));
  const node = element("div", { class: `toast toast--${level}` }, [iconNode(ICONS[level]), body, close]);
  const remove = () => node.remove();
  close.addEventListener("click", remove);
  holder.append(node);
  while (holder.children.length > MAX_TOASTS) holder.firstElementChild?.remove();
  announce(text ? `${title}. ${text}` : title, level === "danger" ? "assertive" : "polite");
  const ms = SHOWN_MS[level];
  if (ms) hideLater(node, ms, remove);
  notice({ title, text });
}

/** @param {HTMLElement} node @param {number} ms @param {() => void} remove */
function hideLater(node, ms, remove) {
  let timer = setTimeout(remove, ms);
  node.addEventListener("pointerenter", () => clearTimeout(timer));
  node.addEventListener("pointerleave", () => (timer = setTimeout(remove, ms)));
}

/**
 * Put something into the notification list without interrupting.
 * @param {{title: string, text?: string}} message
 */
export function notice({ title, text = "" }) {
  const list = document.querySelector("[data-notices]");
  if (!list) return;
  list.querySelector("[data-notices-empty]")?.remove();
  const at = new Date(desk.clock.now()).toLocaleTimeString("en-GB", {
    timeZone: desk.data.time_zone,
    timeZoneName: "short",
  });
  const children = [element("p", { class: "toast__title", text: title })];
  if (text) children.push(element("p", { class: "toast__text", text }));
  children.push(element("p", { class: "notice__time", text: at }));
  list.prepend(element("div", { class: "notice" }, children));
  while (list.children.length > MAX_NOTICES) list.lastElementChild?.remove();
}

/**
 * Show what a command came to, in the words of the three outcomes.
 * @param {import("../core/socket.js").Outcome} outcome
 * @param {string} done title when it worked
 */
export function toastOutcome(outcome, done) {
  if (outcome.kind === "ok") toast({ title: done, level: "ok" });
  else if (outcome.kind === "error") toast({ title: "Refused", text: outcome.text, level: "danger" });
  else toast({ title: "Not confirmed yet", text: outcome.text, level: "warning" });
}
