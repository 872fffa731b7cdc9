/** Wires the frame: top bar, palette, menus, drawer, keys, theme. Pages import what they share from desk.js. */

import { startBell } from "../alerts/bell.js";
import { applyTheme, otherTheme } from "../core/theme.js";
import { startBar } from "./bar.js";
import { desk } from "./desk.js";
import { csrfToken, element, setText } from "./dom.js";
import { startIdle } from "./idle.js";
import { startNews } from "./news.js";
import { createPalette } from "./palette.js";
import { announce } from "./toasts.js";

const BANNER_AFTER_MS = 700; // a page that is just loading needs no alarm

function switchTheme() {
  const theme = otherTheme(document.documentElement.dataset["theme"]);
  applyTheme(theme, document, location.protocol === "https:");
  document.dispatchEvent(new CustomEvent("desk:theme", { detail: theme }));
  const body = new URLSearchParams({ partial: "1", theme, csrfmiddlewaretoken: csrfToken() });
  // Kept with the person as well; the cookie above already serves this browser.
  fetch("/settings/preferences/update/", { method: "POST", body }).catch(() => {});
}

function toggleDrawer() {
  const drawer = /** @type {HTMLElement} */ (document.querySelector("#drawer"));
  drawer.hidden = !drawer.hidden;
  const opener = /** @type {HTMLElement | null} */ (document.querySelector(".bar [data-action=drawer]"));
  opener?.setAttribute("aria-expanded", String(!drawer.hidden));
  bell.drawer(!drawer.hidden);
  if (drawer.hidden) opener?.focus();
  else /** @type {HTMLElement | null} */ (drawer.querySelector("button"))?.focus();
}

function showKeys() {
  const dialog = /** @type {HTMLDialogElement} */ (document.querySelector("[data-keys-dialog]"));
  const list = /** @type {HTMLElement} */ (dialog.querySelector("[data-keys-list]"));
  list.replaceChildren();
  let group = "";
  const shortcuts = desk.keys.list().toSorted((one, other) => (one.group ?? "").localeCompare(other.group ?? ""));
  for (const { keys, label, group: heading = "" } of shortcuts) {
    if (heading !== group) {
      group = heading;
      list.append(element("dt", { class: "keys__group", text: group }), element("dd"));
    }
    const term = element("dt");
    keys
      .split(" ")
      .forEach((step) => term.append(element("kbd", { class: "kbd", text: step.replaceAll("+", " ") }), " "));
    list.append(term, element("dd", { text: label }));
  }
  dialog.showModal();
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
    !/^(checkbox|radio|button|submit)$/.test(target.getAttribute("type") ?? "")
  );
}

/** Over every page, in words, as soon as what it shows may be old. */
function watchLink() {
  const banner = /** @type {HTMLElement} */ (document.querySelector("[data-link-banner]"));
  let wasLive = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  desk.socket.onLink((link) => {
    document.body.dataset["link"] = link.state;
    clearTimeout(timer);
    if (link.state === "live") {
      if (wasLive && !banner.hidden) announce("Live again.");
      wasLive = true;
      banner.hidden = true;
      return;
    }
    const show = () => {
      setText(banner, `Stale - ${link.why}`);
      const [state, deed = ""] = link.why.split(": ");
      if (state === "signed out") {
        const next = encodeURIComponent(location.pathname + location.search);
        const way = { class: "link", text: deed, attributes: { href: `/accounts/login/?next=${next}` } };
        banner.replaceChildren(`Stale - ${state}: `, element("a", way));
      }
      banner.hidden = false;
    };
    if (wasLive || link.state === "closed") show();
    else timer = setTimeout(show, BANNER_AFTER_MS);
  });
}

/** What the page shows may be somebody else's now: nothing of it stays on the screen, and it begins anew. */
function watchRights() {
  desk.socket.onLess(() => {
    const text = "What you may see has changed. This page is loading again.";
    document.body.append(element("p", { class: "gone", text, attributes: { role: "status" } }));
    document.body.dataset["gone"] = "";
    location.replace(location.pathname + location.search);
  });
}

function watchMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute("open");
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details[data-menu][open]");
    if (open) {
      open.removeAttribute("open");
      open.querySelector("summary")?.focus();
    } else if (!(/** @type {HTMLElement} */ (document.querySelector("#drawer")).hidden)) toggleDrawer();
  });
}

/** Narrow screens: tabs and the row of pages scroll sideways; where one is must not be out of sight. */
function showWhereOneIs() {
  for (const current of document.querySelectorAll(".tabs > [aria-current], .rail > [aria-current]")) {
    const row = /** @type {HTMLElement} */ (current.parentElement);
    const covered = row.querySelector(".rail__foot")?.clientWidth ?? 0; // it sticks to the end
    const over = current.getBoundingClientRect().right - row.getBoundingClientRect().right + covered;
    if (over > 0) row.scrollLeft += over + row.clientWidth / 4; // so that the next one shows, too
  }
}

// The button of orders/halt.js; only for people who may cancel.
const haltOpener = /** @type {HTMLElement | null} */ (document.querySelector("[data-halt-open]"));
const palette = createPalette([
  { kind: "action", label: "Switch dark or light", detail: "Shift D", run: switchTheme },
  { kind: "action", label: "Show notifications", detail: "Shift N", run: toggleDrawer },
  ...(desk.data.sees_desk
    ? [
        {
          kind: /** @type {const} */ ("page"),
          label: "Alerts",
          detail: "/alerts/",
          run: () => location.assign("/alerts/"),
        },
      ]
    : []),
  { kind: "action", label: "List the keys of this page", detail: "?", run: showKeys },
  ...(haltOpener
    ? [
        {
          kind: /** @type {const} */ ("action"),
          label: "Pause trading, cancel all",
          detail: "Shift P",
          run: () => haltOpener.click(),
        },
      ]
    : []),
]);

/** @type {Record<string, () => void>} */
const actions = {
  palette: palette.open,
  theme: switchTheme,
  drawer: toggleDrawer,
  keys: showKeys,
  print: () => window.print(),
};
document.addEventListener("click", (event) => {
  const source = /** @type {Element} */ (event.target).closest("[data-action]");
  if (source) actions[source.getAttribute("data-action") ?? ""]?.();
});
desk.keys.register({
  keys: "Ctrl+K",
  label: "Search markets, pages and actions",
  whileTyping: true,
  run: palette.open,
});
desk.keys.register({ keys: "/", label: "Search", run: palette.open });
desk.keys.register({ keys: "Shift+D", label: "Dark or light", run: switchTheme });
desk.keys.register({ keys: "Shift+N", label: "Notifications", run: toggleDrawer });
desk.keys.register({ keys: "?", label: "This list", run: showKeys });
const taken = new Set();
desk.data.pages.forEach((page) => {
  // The first letter that no page before it has; Overview is home, so that O stays with Orders.
  const letter = [...(page.url === "/overview/" ? "h" : page.label.toLowerCase())].find((one) => !taken.has(one));
  taken.add(letter);
  desk.keys.register({ keys: `g ${letter}`, label: page.label, run: () => location.assign(page.url) });
});
document.addEventListener("keydown", (event) => {
  if (event.isComposing || document.querySelector("dialog[open]:not([data-palette-dialog])")) return;
  if (desk.keys.handle(event, { isTyping: isTyping(event.target) })) event.preventDefault();
});

const bell = startBell();
showWhereOneIs();
watchMenus();
watchLink();
watchRights();
startBar(document);
startNews(document);
desk.start();
startIdle();
