/** The bell of every page: how many alerts are new, the newest of them in the drawer, notifications of the browser. */

import { desk } from "../frame/desk.js";
import { element, iconNode, setAttribute, setText } from "../frame/dom.js";
import { announce } from "../frame/toasts.js";
import { badge, bellLabel, ownPage, spoken, standing, titleOf } from "./bell-model.js";
import { permission, show, wirePermission } from "./browser.js";

const SOON_MS = 150; // several changes at once are asked for once
const AGAIN_MS = 60_000; // what quiet hours held comes without a change
const ICONS = { danger: "danger", warning: "warning" };
const WORDS = { over: "over", done: "acknowledged", new: "new", "": "" };

export function startBell() {
  const bell = document.querySelector(".bar [data-action=drawer]");
  const list = document.querySelector("[data-alerts-list]");
  /** @type {import("./bell-model.js").News | null} */
  let news = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon;
  let isOpen = false;

  async function ask() {
    const outcome = await desk.socket.command("alert.news", { may_show: permission() === "granted" });
    if (outcome.kind !== "ok") return;
    const before = news;
    news = /** @type {import("./bell-model.js").News} */ (outcome.value);
    const words = spoken(before, news);
    if (words) announce(words);
    draw();
    const shown = news.show.filter(show).map((one) => one.delivery_id);
    if (shown.length) void desk.socket.command("alert.shown", { ids: shown });
    if (isOpen) look();
  }

  function askSoon() {
    clearTimeout(soon);
    soon = setTimeout(ask, SOON_MS);
  }

  /** The person sees the list now. */
  function look() {
    if (news?.unread) void desk.socket.command("alert.read", {});
  }

  function draw() {
    if (!news) return;
    const count = bell?.querySelector("[data-alerts-count]");
    if (count instanceof HTMLElement) {
      setText(count, badge(news.unread));
      count.hidden = !news.unread;
    }
    if (bell) setAttribute(bell, "aria-label", bellLabel(news.unread));
    list?.replaceChildren(...news.newest.map(row));
    const empty = /** @type {HTMLElement | null} */ (document.querySelector("[data-alerts-empty]"));
    if (empty) empty.hidden = news.newest.length > 0;
  }

  /** @param {import("./bell-model.js").AlertRow} alert */
  function row(alert) {
    const at = new Date(alert.at_ms).toLocaleString("en-GB", {
      timeZone: desk.data.time_zone,
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      timeZoneName: "short",
    });
    const state = standing(alert);
    const icon = element("span", { class: `notice__icon notice__icon--${alert.level}` });
    icon.append(iconNode(ICONS[/** @type {keyof typeof ICONS} */ (alert.level)] ?? "info"));
    const title = element("a", {
      class: "notice__link",
      text: titleOf(alert),
      attributes: { href: ownPage(alert.link) },
    });
    const facts = [at, WORDS[state]].filter(Boolean).join(" · ");
    const body = element("div", { class: "notice__body" }, [title]);
    if (alert.text) body.append(element("p", { class: "toast__text", text: alert.text }));
    body.append(element("p", { class: "notice__time", text: facts }));
    return element("li", { class: `notice notice--alert${state ? ` notice--${state}` : ""}` }, [icon, body]);
  }

  if (!desk.data.sees_desk) return { drawer() {} };
  wirePermission(document, askSoon);
  if (desk.data.account) desk.topics.watch(`alerts:${desk.data.account}`, askSoon);
  desk.socket.onLink((link) => {
    if (link.state === "live") askSoon();
  });
  setInterval(ask, AGAIN_MS);

  return {
    /** @param {boolean} open the drawer was opened or closed */
    drawer(open) {
      isOpen = open;
      if (open) look();
      else askSoon();
    },
  };
}
