/**
 * The kill switch on every page: its button and dialog, the banner while it is pulled, and what is left.
 * The pull itself is a plain form: it needs no socket, and leads to the page that says what is left.
 */
import { desk } from "../frame/desk.js";
import { element, setText } from "../frame/dom.js";
import { announce } from "../frame/toasts.js";
import { bannerWords, isKilled, leftRows, leftWords } from "./kill-model.js";

/** @typedef {import("./kill-model.js").Frame} Frame */

const root = /** @type {HTMLElement} */ (document.querySelector("[data-kill]"));
const banner = /** @type {HTMLElement | null} */ (document.querySelector("[data-kill-banner]"));
const page = /** @type {HTMLElement | null} */ (document.querySelector("[data-kill-page]"));
const opener = /** @type {HTMLElement | null} */ (root.querySelector("[data-kill-open]"));
const dialog = /** @type {HTMLDialogElement | null} */ (root.querySelector("dialog"));
const { account = "" } = root.dataset;
let wasKilled = root.hasAttribute("data-killed");
// A form of this page is on its way: its answer says more than the page as it was.
let isLeaving = false;

/** @param {Frame} frame */
function show(frame) {
  const now = isKilled(frame);
  root.toggleAttribute("data-killed", now);
  setText(root.querySelector("[data-kill-label]"), now ? "Killed" : "Kill");
  const said = /** @type {HTMLElement | null} */ (root.querySelector("[data-kill-said]"));
  if (said) said.hidden = !now;
  if (banner) {
    banner.hidden = !now;
    if (now) setText(banner.querySelector("[data-kill-words]"), bannerWords(frame));
  }
  if (now !== wasKilled) {
    announce(now ? "The kill switch was pulled." : "The kill switch was released.", "assertive");
    // Its page has other forms then.
    if (page && !isLeaving) location.reload();
  }
  wasKilled = now;
  if (frame.run) showLeft(frame.run);
}

/** @param {import("./kill-model.js").Run} run */
function showLeft(run) {
  const body = page?.querySelector("[data-kill-left] tbody");
  if (!body) return;
  setText(page?.querySelector("[data-kill-verdict]") ?? null, leftWords(run));
  body.replaceChildren(
    ...leftRows(run).map(({ name, environment, cells }) =>
      element("tr", {}, [
        element("th", { attributes: { scope: "row" } }, [
          `${name} `,
          element("span", { class: `badge badge--${environment}`, text: environment }),
        ]),
        ...cells.map((text) => element("td", { text })),
      ]),
    ),
  );
}

function open() {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  /** @type {HTMLButtonElement} */ (dialog.querySelector("[data-kill-go]")).focus();
}

document.addEventListener("submit", () => (isLeaving = true));
if (account) desk.topics.watch(`kill:${account}`, (state) => state.value && show(state.value));
if (opener && dialog) {
  opener.addEventListener("click", (event) => {
    if (wasKilled) return; // to the page, which says what is left
    event.preventDefault();
    open();
  });
  dialog.addEventListener("click", (event) => {
    if (/** @type {Element} */ (event.target).closest("[data-kill-close]")) dialog.close();
  });
  desk.keys.register({
    keys: "Shift+K",
    label: "Kill switch (asks first)",
    run: () => (wasKilled ? location.assign(/** @type {HTMLAnchorElement} */ (opener).href) : open()),
  });
}
