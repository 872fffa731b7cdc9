/** FIX > Drop copy: progress of each recovery, and how far back the exchange still has reports. */
import { feedState } from "../core/age.js";
import { desk } from "../frame/desk.js";
import { setAttribute, setText } from "../frame/dom.js";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='fix-drop-copy']"));
const data = JSON.parse(document.getElementById("fix-data")?.textContent ?? '{"accounts":[],"window_ms":0}');
/** @type {string[]} */
const topics = data.accounts.map((/** @type {number} */ account) => `fix:${account}`);
const body = root.querySelector("[data-rows]");
const template = /** @type {HTMLTemplateElement | null} */ (root.querySelector("[data-row-template]"));
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", timeStyle: "medium" });

/** @param {any} row */
function nodeOf(row) {
  const known = root.querySelector(`[data-recovery="${row.id}"]`);
  if (known || !body || !template) return known;
  const node = /** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild;
  if (!node) return null;
  setAttribute(node, "data-recovery", String(row.id));
  const next = [...body.children].find(
    (other) => Number(/** @type {HTMLElement} */ (other).dataset["recovery"]) < row.id,
  );
  body.insertBefore(node, next ?? null);
  return node;
}

/** @param {any} row */
function draw(row) {
  const node = nodeOf(row);
  if (!node) return;
  const cell = (/** @type {string} */ name) => node.querySelector(`[data-cell='${name}']`);
  setText(cell("created"), clock.format(row.created_ms));
  setText(cell("account"), row.account);
  setText(cell("range"), `${row.begin} to ${row.end || "the newest"}`);
  setText(cell("state"), row.state_text);
  setAttribute(cell("state"), "class", `badge badge--${row.tone}`);
  for (const name of ["received", "new", "doubled", "text"]) setText(cell(name), String(row[name]));
  setText(cell("why"), row.by ? `${row.why}, ${row.by}` : row.why);
}

function show() {
  const states = topics.map((topic) => desk.topics.peek(topic));
  const rows = states.flatMap((state) =>
    state ? state.rows.values().filter((row) => row["key"].startsWith("recovery:")) : [],
  );
  for (const row of rows) draw(row);
  const isAny = Boolean(body?.children.length);
  root.querySelector("[data-list]")?.toggleAttribute("hidden", !isAny);
  root.querySelector("[data-none]")?.toggleAttribute("hidden", isAny);
  const isFresh = states.every((state) => state?.isFresh);
  setText(root.querySelector("[data-feed-age]"), feedState({ link: desk.socket.link.state, isFresh }).text);
}

function tick() {
  setText(root.querySelector("[data-horizon]"), `${clock.format(desk.clock.now() - data.window_ms)} UTC`);
  for (const cell of root.querySelectorAll("[data-cell='created'][data-ms]")) {
    const ms = Number(cell.getAttribute("data-ms"));
    if (ms && !cell.textContent) setText(cell, clock.format(ms));
  }
}

// The range's fields are only for a range; without scripts they are simply there.
const form = /** @type {HTMLFormElement | null} */ (root.querySelector("[data-recover]"));
function choose() {
  const isRange = form && new FormData(form).get("since") === "range";
  for (const field of root.querySelectorAll(".fix__range")) field.toggleAttribute("hidden", !isRange);
}
form?.addEventListener("change", choose);
choose();

for (const topic of topics) desk.topics.watch(topic, show);
setInterval(tick, 1_000);
tick();
show();
