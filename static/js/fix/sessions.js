/** FIX > Sessions and one session: states, numbers and ages, live. Acts are plain forms of the page. */
import { feedState } from "../core/age.js";
import { desk } from "../frame/desk.js";
import { setAttribute, setText } from "../frame/dom.js";
import { age, numbersIn, numbersOut, stateOf, summary } from "./session-model.js";

const TICK_MS = 1_000;
const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='fix-sessions']"));
const data = JSON.parse(document.getElementById("fix-data")?.textContent ?? '{"accounts":[]}');
/** @type {string[]} */
const topics = data.accounts.map((/** @type {number} */ account) => `fix:${account}`);

function sessions() {
  return topics.flatMap((topic) => {
    const state = desk.topics.peek(topic);
    return state ? state.rows.values().filter((row) => row["key"].startsWith("session:")) : [];
  });
}

/** @param {any} row @param {number} now */
function draw(row, now) {
  for (const place of root.querySelectorAll(`[data-session="${row.id}"]`)) {
    const cell = (/** @type {string} */ name) => place.querySelector(`[data-cell='${name}']`);
    const { text, tone, advice } = stateOf(row, now);
    setText(cell("state"), text);
    setAttribute(cell("state"), "class", `badge badge--${tone}`);
    setText(cell("text"), row.text);
    setText(cell("advice"), advice);
    setText(cell("since"), age(row.since_ms, now));
    setText(cell("in"), numbersIn(row));
    setText(cell("out"), numbersOut(row));
    setText(cell("last_in"), age(row.last_in_ms, now));
    setText(cell("last_out"), age(row.last_out_ms, now));
    setText(cell("rtt"), row.rtt_ms === null ? "-" : `${row.rtt_ms} ms`);
    setText(cell("rejects"), String(row.rejects));
    setText(cell("owner"), row.owner || "-");
  }
}

function show() {
  const now = desk.clock.now();
  const rows = sessions();
  for (const row of rows) draw(row, now);
  setText(root.querySelector("[data-summary]"), summary(rows, now));
  const states = topics.map((topic) => desk.topics.peek(topic));
  const isFresh = states.every((state) => state?.isFresh);
  setText(root.querySelector("[data-feed-age]"), feedState({ link: desk.socket.link.state, isFresh }).text);
}

for (const topic of topics) desk.topics.watch(topic, show);
const tokens = root.querySelector("[data-cell='tokens']");
if (tokens && topics.length === 1)
  desk.topics.watch(`limits:${data.accounts[0]}`, (state) => {
    const write = state.value?.write;
    setText(tokens, write ? `${Math.floor(Number(write.tokens))} of ${Math.floor(Number(write.capacity))}` : "-");
  });
setInterval(() => {
  if (!document.hidden) show();
}, TICK_MS);
show();

// Esc closes an act's sheet, and one open sheet is enough.
for (const act of root.querySelectorAll("details[name='act']"))
  act.addEventListener("keydown", (event) => {
    if (/** @type {KeyboardEvent} */ (event).key !== "Escape") return;
    act.removeAttribute("open");
    act.querySelector("summary")?.focus();
  });
