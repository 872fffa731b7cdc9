/** FIX > Live: execution reports as the listener brings them. It shows; it has nothing that acts on the exchange. */
import { feedState, formatAge } from "../core/age.js";
import { desk } from "../frame/desk.js";
import { element, setText } from "../frame/dom.js";
import { cellsOf, chosen, OTHER } from "./wall-model.js";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='fix-wall']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const data = JSON.parse(document.getElementById("fix-data")?.textContent ?? '{"rows":[]}');
const topic = `fixwall:${data.account}`;
const body = find("[data-rows]");
const scroll = find("[data-scroll]");
const follow = /** @type {HTMLInputElement} */ (find("[data-follow]"));
const filter = /** @type {HTMLInputElement} */ (find("[data-filter]"));
const pause = find("[data-pause]");
const boxes = /** @type {HTMLInputElement[]} */ ([...root.querySelectorAll("[data-type]")]);
const known = new Set(boxes.map((box) => box.dataset["type"] ?? "").filter((type) => type !== OTHER));
const clock = new Intl.DateTimeFormat("en-GB", {
  timeZone: desk.data.time_zone,
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

/** @type {Map<number, import("./wall-model.js").Report>} */
let shown = new Map(data.rows.map((/** @type {any} */ row) => [row.id, row]));
let newest = Math.max(0, ...shown.keys());
let isPaused = false;
let isQueued = false;

/** @param {import("./wall-model.js").Report} row @param {boolean} isNew */
function line(row, isNew) {
  const cells = cellsOf(row, (ms) => clock.format(ms));
  const what = element("td", {}, [
    element("span", { class: `badge badge--${row.tone}`, text: row["what"] || row.type }),
  ]);
  if (row["is_again"]) what.append(" ", element("span", { class: "badge badge--muted", text: "again" }));
  if (row["text"]) what.append(" ", element("span", { class: "muted", text: row["text"] }));
  const number = (/** @type {string} */ text) => element("td", { class: "number num", text });
  const link = element("a", {
    class: "link num",
    text: cells.order.slice(0, 8) || "-",
    attributes: { href: `/fix/trace/?id=${encodeURIComponent(row["order_id"])}`, title: cells.order },
  });
  return element("tr", { class: isNew ? "fix__fresh" : "", attributes: { "data-report": String(row.id) } }, [
    element("td", { class: "num", text: cells.at }),
    what,
    element("th", { class: "num", text: cells.ticker, attributes: { scope: "row" } }),
    element("td", { text: cells.side }),
    number(cells.count),
    number(cells.price),
    number(cells.filled),
    number(cells.remaining),
    element("td", {}, [link]),
    element("td", { class: "num", text: cells.exec }),
  ]);
}

function draw() {
  isQueued = false;
  const types = new Set(boxes.filter((box) => box.checked).map((box) => box.dataset["type"] ?? ""));
  const rows = chosen(shown.values(), { types, known, text: filter.value });
  const wanted = new Map(rows.map((row) => [String(row.id), row]));
  const before = scroll.scrollHeight;
  for (const node of [...body.children])
    if (!wanted.has(/** @type {HTMLElement} */ (node).dataset["report"] ?? "")) node.remove();
  let next = body.firstElementChild;
  for (const row of rows) {
    if (/** @type {HTMLElement | null} */ (next)?.dataset["report"] === String(row.id)) {
      next = /** @type {Element} */ (next).nextElementSibling;
      continue;
    }
    body.insertBefore(line(row, row.id > newest), next);
  }
  const lately = rows[0];
  if (lately && lately.id > newest && lately.sent_ms !== null)
    setText(find("[data-lag]"), `exchange to page ${formatAge(desk.clock.now() - lately.sent_ms)}`);
  newest = Math.max(newest, ...rows.map((row) => row.id));
  find("[data-none]").hidden = shown.size > 0;
  // Without following, what somebody reads stays where it is.
  if (follow.checked) scroll.scrollTop = 0;
  else if (scroll.scrollTop > 0) scroll.scrollTop += scroll.scrollHeight - before;
}

function queue() {
  if (isQueued) return;
  isQueued = true;
  requestAnimationFrame(draw);
}

function take() {
  const state = desk.topics.peek(topic);
  setText(find("[data-feed-age]"), feedState({ link: desk.socket.link.state, isFresh: state?.isFresh ?? false }).text);
  if (!state || state.version < 0) return;
  const rows = state.rows.values();
  if (isPaused) {
    const held = rows.filter((row) => row["id"] > newest).length;
    setText(find("[data-held]"), held ? `paused, ${held} newer` : "paused");
    return;
  }
  setText(find("[data-held]"), "");
  shown = new Map(rows.map((row) => [row["id"], /** @type {any} */ (row)]));
  queue();
}

function togglePause() {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  setText(pause, isPaused ? "Go on" : "Pause");
  take();
}

pause.addEventListener("click", togglePause);
desk.keys.register({ keys: "Space", label: "Pause or go on", run: togglePause });
for (const box of boxes) box.addEventListener("change", queue);
filter.addEventListener("input", queue);
follow.addEventListener("change", queue);
desk.topics.watch(topic, take);
desk.topics.watch(`fix:${data.account}`, (state) => {
  for (const row of state.rows.values()) {
    const badge = root.querySelector(`[data-listener="${row["id"]}"]`);
    if (!badge || !row["key"].startsWith("session:")) continue;
    setText(badge, `${row["target"]}: ${row["state_text"]}`);
    badge.className = `badge badge--${row["tone"]}`;
  }
});
desk.socket.onLink(take);
draw();
