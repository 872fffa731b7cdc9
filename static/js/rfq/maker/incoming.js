/** The tab of incoming requests: newest first, still while somebody points at it. */
import { desk } from "../../frame/desk.js";
import { element, iconNode, setText } from "../../frame/dom.js";
import { toast } from "../../frame/toasts.js";
import { browserStorage } from "../../grid/column-memory.js";
import {
  cells,
  fairTitle,
  held,
  listed,
  paceMs,
  passedWords,
  rowEdges,
  rowsInSight,
  seriesOf,
  streamWords,
} from "./incoming-model.js";
import { legsText } from "../confirm/words.js";
import { wireFilters } from "./filters.js";
import { createTable, deedButton, watchHold } from "./table.js";

/** @typedef {import("./incoming-model.js").Row} Row */

const MUTED_KEY = "desk:rfq.muted";
const MOST_PASSED = 2_000;
const COLUMNS = [
  { id: "age", title: "Age", css: "maker__age" },
  { id: "market", title: "Market or legs", css: "maker__market" },
  { id: "size", title: "Size", isNumber: true },
  { id: "book", title: "Book", isNumber: true },
  { id: "fair", title: "Fair", isNumber: true },
  { id: "yes", title: "YES bid", css: "is-bid", isNumber: true },
  { id: "no", title: "NO bid", css: "is-ask", isNumber: true },
  { id: "edge", title: "Edge", isNumber: true },
  { id: "held", title: "We hold", isNumber: true },
  { id: "match", title: "Rule", css: "maker__match" },
  { id: "deeds", title: "", css: "maker__deed" },
];

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} tools
 * @param {object} options
 * @param {string} options.account
 * @param {string} options.person
 * @param {{has(name: string): boolean}} options.offers
 * @param {(row: Row) => void} options.onQuote
 */
export function createIncoming(panel, tools, { account, person, offers, onQuote }) {
  const storage = browserStorage();
  const mutedKey = `${MUTED_KEY}:${person}`;
  const mayQuote = offers.has("quote.send");
  const mayPass = offers.has("quote.pass");
  /** @type {Set<string>} */
  const muted = new Set(readMuted());
  /** @type {Set<string>} */
  const passed = new Set();
  /** @type {Row[]} */
  let shown = [];
  let lastMove = 0;
  let isShown = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  /** @type {(() => void) | null} */
  let leave = null;
  let topic = "";
  let mutedRows = 0;

  const wrap = /** @type {HTMLElement} */ (panel.querySelector("[data-wrap]"));
  const empty = /** @type {HTMLElement} */ (panel.querySelector("[data-empty]"));
  const columns = mayQuote || mayPass ? COLUMNS : COLUMNS.slice(0, -1);
  const table = createTable(/** @type {HTMLTableElement} */ (panel.querySelector("[data-table]")), {
    columns,
    label: "Incoming requests, newest first",
    onDeed(key, deed) {
      const row = shown.find((each) => each["rfq_id"] === key);
      if (!row) return;
      if (deed === "quote") onQuote(row);
      if (deed === "pass") void pass(row);
      if (deed === "mute") mute(seriesOf(row));
    },
  });
  panel.querySelector("[data-table]")?.toggleAttribute("data-short", !mayPass);
  const hold = watchHold(wrap, () => draw());
  const frame = () => (topic ? (desk.topics.peek(topic)?.value ?? null) : null);
  const filters = wireFilters(tools, { person, offers, onChoose: watch });

  function readMuted() {
    try {
      const found = JSON.parse(storage?.getItem(mutedKey) ?? "[]");
      return Array.isArray(found) ? found.filter((each) => typeof each === "string") : [];
    } catch {
      return [];
    }
  }

  /** @param {number} filter */
  function watch(filter) {
    leave?.();
    topic = `incoming:${account}:${filter}`;
    shown = [];
    lastMove = 0;
    leave = isShown ? desk.topics.watch(topic, () => draw()) : null;
    draw();
  }

  /** @param {string} series */
  function mute(series) {
    if (muted.has(series)) muted.delete(series);
    else muted.add(series);
    try {
      storage?.setItem(mutedKey, JSON.stringify([...muted]));
    } catch {
      // Then it counts for this page only.
    }
    lastMove = 0;
    drawMuted();
    draw({ isAsked: true });
  }

  function drawMuted() {
    const menu = /** @type {HTMLElement} */ (tools.querySelector("[data-muted-menu]"));
    menu.hidden = muted.size === 0;
    setText(menu.querySelector("[data-muted-count]"), `Muted ${muted.size}`);
    menu.querySelector("[data-muted-list]")?.replaceChildren(
      ...[...muted].toSorted().map((series) => {
        const button = element("button", {
          class: "menu__item",
          text: `Hear ${series} again`,
          attributes: { type: "button" },
        });
        button.addEventListener("click", () => mute(series));
        return button;
      }),
    );
  }

  /** What the desk passed on, to be taken back. @param {Record<string, any>[]} rows newest first */
  function drawPassed(rows) {
    const menu = /** @type {HTMLElement | null} */ (tools.querySelector("[data-passed-menu]"));
    if (!menu) return;
    for (const row of rows) passed.delete(row["rfq_id"]); // the server hides it now, until somebody takes it back
    const key = rows.map((row) => row["rfq_id"]).join();
    if (menu.dataset["shows"] === key) return;
    menu.dataset["shows"] = key;
    menu.hidden = rows.length === 0;
    setText(menu.querySelector("[data-passed-count]"), `Passed ${rows.length}`);
    menu.querySelector("[data-passed-list]")?.replaceChildren(
      ...rows.map((row) => {
        const { text, title } = passedWords(row);
        const button = element("button", { class: "menu__item", text, attributes: { type: "button", title } });
        button.addEventListener("click", () => void unpass(row["rfq_id"]));
        return button;
      }),
    );
  }

  /** @param {string} rfqId */
  async function unpass(rfqId) {
    const answer = await desk.socket.command("quote.unpass", { rfq_id: rfqId });
    if (answer.kind !== "ok") {
      toast({ title: "Still hidden", text: answer.text, level: answer.kind === "error" ? "danger" : "warning" });
      return;
    }
    passed.delete(rfqId);
    draw({ isAsked: true });
  }

  /** @param {Row} row @param {string} [reason] */
  async function pass(row, reason = "") {
    const answer = await desk.socket.command("quote.pass", { rfq_id: row["rfq_id"], ...(reason ? { reason } : {}) });
    if (answer.kind !== "ok") {
      toast({ title: "Not passed on", text: answer.text, level: answer.kind === "error" ? "danger" : "warning" });
      return false;
    }
    if (passed.size >= MOST_PASSED) passed.clear();
    passed.add(row["rfq_id"]);
    draw({ isAsked: true });
    return true;
  }

  /** @param {{isAsked?: boolean}} [how] isAsked: the person changed what is listed, so it changes under the pointer */
  function draw({ isAsked = false } = {}) {
    if (!isShown) return;
    const value = frame();
    drawPassed(value?.["passed"] ?? []);
    const left = listed(value?.rows ?? [], { muted, passed });
    mutedRows = left.muted;
    const isHeld = hold.isHeld() && shown.length > 0 && !isAsked;
    const due = lastMove + paceMs(Number(value?.rate ?? 0)) - performance.now();
    const isMoving = !isHeld && (due <= 0 || isAsked);
    const merged = held(shown, left.rows, !isMoving);
    if (isMoving) lastMove = performance.now();
    else if (!isHeld) {
      clearTimeout(later);
      later = setTimeout(draw, Math.max(50, due));
    }
    shown = isAsked ? left.rows : merged.rows;
    show(isHeld || isAsked);
    const waits = isHeld && merged.waiting > 0;
    setText(tools.querySelector("[data-held]"), isHeld ? `held${waits ? `: ${merged.waiting} newer` : ""}` : "");
    showAround(value);
  }

  /** @param {boolean} isWhole all of them: somebody reads, scrolls or works in the list; else what fits in sight */
  function show(isWhole) {
    const now = desk.clock.now();
    const format = desk.data.price_format;
    const most = isWhole ? shown.length : rowsInSight(Math.min(wrap.clientHeight, innerHeight));
    table.show(
      shown.slice(0, most).map((row) => {
        const text = cells(row, now, format);
        const edge = rowEdges(row);
        const isLosing = (edge.yes ?? 0) < 0 || (edge.no ?? 0) < 0;
        const legs = row["legs"] ?? [];
        const isQuoted = Boolean(row["quote"]);
        return {
          key: row["rfq_id"],
          tone: isQuoted ? "quoted" : "",
          cells: {
            age: { text: text.age },
            market: {
              text: text.market,
              title: legs.length ? `${legs.length} legs: ${legsText(legs)} (${row["ticker"]})` : row["ticker"],
            },
            size: { text: text.size, title: row["target_cost"] ? "What the requester wants to spend" : "Contracts" },
            book: { text: text.book },
            fair: { text: text.fair, title: fairTitle(row) },
            yes: { text: text.yes },
            no: { text: text.no },
            edge: { text: text.edge, title: "YES / NO bid against fair value, cents", tone: isLosing ? "danger" : "" },
            held: { text: text.held },
            match: {
              text: text.match,
              title: `${row["rule"] ? `The rule ${row["rule"]} matches` : "No rule matches: it is for a person"}${row["requester"] ? `; asked by ${row["requester"]}` : ""}`,
            },
            deeds: {
              text: "",
              nodesKey: `${isQuoted}:${text.market}`,
              nodes: () => deeds(row, text.market, isQuoted),
            },
          },
        };
      }),
    );
  }

  /** @param {Row} row @param {string} what @param {boolean} isQuoted */
  function deeds(row, what, isQuoted) {
    const nodes = [];
    if (mayQuote)
      nodes.push(
        deedButton("quote", isQuoted ? "Re-quote" : "Quote", { label: `${isQuoted ? "Re-quote" : "Quote"} ${what}` }),
      );
    if (mayPass) nodes.push(deedButton("pass", "Pass", { label: `Pass on ${what}` }));
    const quiet = deedButton("mute", "", {
      css: "button--quiet button--icon maker__mute",
      label: `Mute the series ${seriesOf(row)}`,
    });
    quiet.title = `Mute the series ${seriesOf(row)}`;
    quiet.append(iconNode("mute"));
    return [...nodes, quiet];
  }

  /** @param {Record<string, any> | null} value */
  function showAround(value) {
    const state = desk.topics.peek(topic);
    const words = streamWords(value, {
      isFresh: state?.isFresh ?? false,
      muted: mutedRows,
      filterName: filters.nameOfChosen(),
    });
    const place = /** @type {HTMLElement | null} */ (tools.querySelector("[data-stream-words]"));
    setText(place, words.text);
    if (place) place.dataset["state"] = words.state;
    panel.dataset["feed"] = words.state === "live" ? "live" : "stale";
    empty.hidden = shown.length > 0;
    wrap.hidden = shown.length === 0;
    if (!shown.length) {
      const isKnown = value !== null;
      setText(panel.querySelector("[data-empty-title]"), isKnown ? "Nothing listed now" : "Waiting for the stream");
      const hidden = Number(value?.hidden ?? 0) + mutedRows;
      setText(
        panel.querySelector("[data-empty-text]"),
        isKnown && hidden
          ? `${hidden.toLocaleString("en")} requests are hidden by the filter or muted.`
          : "Requests of other members that pass the filter are listed here, newest first.",
      );
    }
  }

  /** The keyboard's row. */
  function focused() {
    const key = document.activeElement?.closest("tr[data-key]")?.getAttribute("data-key");
    return shown.find((row) => row["rfq_id"] === key);
  }

  drawMuted();
  setInterval(() => {
    if (isShown && !document.hidden) draw();
  }, 1_000);

  return {
    show() {
      isShown = true;
      if (!leave) watch(filters.chosen());
    },
    hide() {
      isShown = false;
      leave?.();
      leave = null;
    },
    pass,
    focused,
    /** The newest that is known of a request. @param {string} id */
    rowOf: (id) => (frame()?.rows ?? []).find((/** @type {Row} */ row) => row["rfq_id"] === id),
    /** The fair value of what one of our quotes is on, when it is listed. @param {string} quote row key */
    fairOf: (quote) => (frame()?.rows ?? []).find((/** @type {Row} */ row) => row["quote"] === quote)?.["fair"] ?? null,
    first: () => shown[0],
    firstButton: () => /** @type {HTMLElement | null} */ (wrap.querySelector("[data-deed]")),
  };
}
