/** What the exchange says to everybody: put a line away, and hear of a new one without waiting for the next page. */

import { desk } from "./desk.js";
import { csrfToken } from "./dom.js";
import { notice, toast } from "./toasts.js";

/** @typedef {{key: string, level: "info" | "warning" | "danger", text: string}} News */

/**
 * What is new since the page was made. `seen` grows by it. No DOM here.
 * @param {News[]} news @param {Set<string>} seen
 */
export function newsToTell(news, seen) {
  const fresh = news.filter(({ key }) => !seen.has(key));
  for (const { key } of fresh) seen.add(key);
  return fresh;
}

/** @param {Document} root */
export function startNews(root) {
  const { environment, news_seen: known } = desk.data;
  root.querySelector("[data-exchange-notices]")?.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-put-away]");
    if (button) putAway(/** @type {HTMLElement} */ (button));
  });
  if (!environment || !known) return;
  const seen = new Set(/** @type {string[]} */ (known));
  desk.topics.watch(`status:${environment}`, ({ value }) => {
    for (const { level, text } of newsToTell(value?.news ?? [], seen)) {
      // A line that comes in over the page would move what somebody is about to press.
      if (level === "info") notice({ title: "From the exchange", text });
      else toast({ title: "From the exchange", text, level });
    }
  });
}

/** @param {HTMLElement} button */
async function putAway(button) {
  const line = /** @type {HTMLElement} */ (button.closest("[data-notice]"));
  const list = /** @type {HTMLElement} */ (line.parentElement);
  button.setAttribute("disabled", "");
  const body = new URLSearchParams({ key: button.dataset["putAway"] ?? "", csrfmiddlewaretoken: csrfToken() });
  const isDone = await fetch("/exchange/put-away/", { method: "POST", body }).then(
    (answer) => answer.ok,
    () => false,
  );
  if (!isDone) {
    button.removeAttribute("disabled");
    toast({ title: "Not put away", text: "The desk did not answer. Try again.", level: "warning" });
    return;
  }
  const next = /** @type {HTMLElement | null} */ (line.nextElementSibling?.querySelector("[data-put-away]") ?? null);
  line.remove();
  if (!list.children.length) list.remove();
  (next ?? /** @type {HTMLElement} */ (document.querySelector("#main"))).focus();
}
