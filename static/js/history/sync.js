/** History > Sync: each data set's state, its place on the time line and its pass, live. */
import { desk } from "../frame/desk.js";
import { setAttribute, setText } from "../frame/dom.js";
import { feedState } from "../core/age.js";
import { axisOf, barsOf, fromOf, noteOf, progressOf, summaryOf, toneOf, whole, WIDTH } from "./sync-model.js";

const SVG = "http://www.w3.org/2000/svg";
const REDRAW_MS = 30_000; // the time line moves on by itself

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='history-sync']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (root.querySelector(selector));
const data = JSON.parse(document.getElementById("history-data")?.textContent ?? '{"rows":[],"cutoffs":{},"order":[]}');
const topic = `history:${root.dataset["account"]}`;
const body = /** @type {HTMLElement} */ (find("[data-rows]"));
const template = /** @type {HTMLTemplateElement | null} */ (root.querySelector("[data-row-template]"));

const zone = desk.data.time_zone;
const day = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "medium" });
const minute = new Intl.DateTimeFormat("en-GB", {
  timeZone: zone,
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});
const exact = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "long" });

/** @type {Map<string, any>} */
const rows = new Map(data.rows.map((/** @type {any} */ row) => [row.key, row]));

/** Where a data set stands in the list. @param {string} key */
const placeOf = (key) => data.order.indexOf(key.split(":")[0]);

/** @param {any} row */
function nodeOf(row) {
  const known = body.querySelector(`[data-row="${CSS.escape(row.key)}"]`);
  if (known || !template) return known;
  const node = /** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild;
  if (!node) return null;
  setAttribute(node, "data-row", row.key);
  setText(node.querySelector("[data-cell='label']"), row.label);
  setText(node.querySelector("[data-cell='scope']"), row.scope);
  const key = /** @type {HTMLInputElement | null} */ (node.querySelector("input[name='key']"));
  if (key) key.value = row.key;
  const [now, full] = node.querySelectorAll("button");
  const name = [row.label, row.scope].filter(Boolean).join(" ");
  setAttribute(now ?? null, "aria-label", `Read now: ${name}`);
  setAttribute(full ?? null, "aria-label", `From the beginning: ${name}`);
  const place = placeOf(row.key);
  const next = [...body.children].find(
    (other) => placeOf(/** @type {HTMLElement} */ (other).dataset["row"] ?? "") > place,
  );
  body.insertBefore(node, next ?? null);
  return node;
}

/**
 * @param {any} row
 * @param {{from: number, to: number}} axis
 */
function draw(row, axis) {
  const node = nodeOf(row);
  if (!node) return;
  const cell = (/** @type {string} */ name) => node.querySelector(`[data-cell='${name}']`);
  const badge = cell("status");
  setText(badge, row.status_text);
  setAttribute(badge, "class", `badge badge--${toneOf(row)}`);
  setText(cell("note"), noteOf(row));
  const progress = /** @type {HTMLProgressElement} */ (cell("progress"));
  const done = progressOf(row);
  progress.hidden = done === undefined;
  setAttribute(progress, "aria-label", `${row.label} read`);
  if (done === null) progress.removeAttribute("value");
  else if (done !== undefined) progress.value = done;
  setText(cell("from"), fromOf(row, day.format));
  setAttribute(cell("from"), "title", row.from_ms === null ? "" : exact.format(row.from_ms));
  setText(cell("to"), row.to_ms === null ? "" : `to ${minute.format(row.to_ms)}`);
  setText(cell("rows"), row.to_ms === null ? "" : whole(row.rows));
  setText(cell("verified"), row.verified_ms === null ? "never" : minute.format(row.verified_ms));
  line(/** @type {SVGElement} */ (cell("line")), row, axis);
}

/**
 * @param {SVGElement} svg
 * @param {any} row
 * @param {{from: number, to: number}} axis
 */
function line(svg, row, axis) {
  const { bars, cutoff } = barsOf(row, axis, data.cutoffs[row.data_set] ?? null);
  const parts = [shape("rect", { class: "sync__bar sync__bar--ground", x: 0, y: 5, width: WIDTH, height: 6 })];
  for (const bar of bars)
    parts.push(
      shape("rect", { class: `sync__bar sync__bar--${bar.kind}`, x: bar.x, y: 5, width: bar.width, height: 6 }),
    );
  if (cutoff !== null)
    parts.push(shape("rect", { class: "sync__bar sync__bar--cutoff", x: cutoff, y: 0, width: 2, height: 16 }));
  svg.replaceChildren(...parts);
  const words =
    row.to_ms === null
      ? "nothing complete yet"
      : `complete from ${row.from_ms === null ? "the beginning" : day.format(row.from_ms)} to ${minute.format(row.to_ms)}`;
  setAttribute(svg, "aria-label", `${row.label}: ${words}`);
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}

function show() {
  const state = desk.topics.peek(topic);
  if (state && state.version >= 0) for (const row of state.rows.values()) if (isShown(row)) rows.set(row["key"], row);
  const all = [...rows.values()];
  const axis = axisOf(all, desk.clock.now());
  for (const row of all) draw(row, axis);
  setText(find("[data-axis='from']"), day.format(axis.from));
  setText(find("[data-axis='to']"), "now");
  setText(find("[data-summary]"), summaryOf(all));
  for (const [name, isHidden] of [
    ["[data-empty]", all.length > 0],
    ["[data-table]", !all.length],
    ["[data-legend]", !all.length],
  ]) {
    const node = find(String(name));
    if (node) node.hidden = Boolean(isHidden);
  }
  const link = desk.socket.link.state;
  setText(find("[data-feed-age]"), feedState({ link, isFresh: state?.isFresh ?? false }).text);
}

/** Rows of markets that are not kept any more stay in the database; the server does not list them. @param {any} row */
function isShown(row) {
  return !row.scope || rows.has(row.key);
}

desk.topics.watch(topic, show);
setInterval(() => {
  if (!document.hidden) show();
}, REDRAW_MS);
show();
