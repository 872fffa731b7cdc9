/** The tab of decisions: what rules did about each request, and why. */
import { formatAge } from "../../core/age.js";
import { desk } from "../../frame/desk.js";
import { setText } from "../../frame/dom.js";
import { priceWords } from "../confirm/words.js";
import { decisionCells } from "./rules-model.js";
import { createTable, watchHold } from "./table.js";

const COLUMNS = [
  { id: "age", title: "Age", css: "maker__age" },
  { id: "action", title: "Decided" },
  { id: "market", title: "Market or legs", css: "maker__market" },
  { id: "rule", title: "Rule" },
  { id: "bids", title: "Bids YES / NO", isNumber: true },
  { id: "fair", title: "Fair", isNumber: true },
  { id: "why", title: "Why", css: "maker__why" },
  { id: "took", title: "Took", isNumber: true },
];
const TONES = { quote: "ok", shadow: "", pass: "", pull: "warning" };

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} tools
 * @param {{account: string}} options
 */
export function createDecisions(panel, tools, { account }) {
  const topic = `decisions:${account}`;
  const wrap = /** @type {HTMLElement} */ (panel.querySelector("[data-wrap]"));
  const action = /** @type {HTMLSelectElement} */ (tools.querySelector("[data-decisions-action]"));
  const table = createTable(/** @type {HTMLTableElement} */ (panel.querySelector("[data-table]")), {
    columns: COLUMNS,
    label: "Decisions of the rules, newest first",
  });
  let isShown = false;
  let isDue = false;
  /** @type {(() => void) | null} */
  let leave = null;
  const hold = watchHold(wrap, () => draw());

  function draw() {
    if (!isShown) return;
    const state = desk.topics.peek(topic);
    const every = state?.rows.values() ?? [];
    if (!(hold.isHeld() && wrap.hidden === false && table.body.childElementCount)) {
      const rows = every
        .filter((row) => !action.value || row["action"] === action.value)
        .toSorted((one, other) => other["decided_ms"] - one["decided_ms"] || other["key"].localeCompare(one["key"]))
        .slice(0, 200);
      const now = desk.clock.now();
      table.show(
        rows.map((row) => {
          const text = decisionCells(row, desk.data.price_format, priceWords);
          const tone = TONES[/** @type {keyof typeof TONES} */ (row["action"])] ?? "";
          return {
            key: row["key"],
            cells: {
              age: { text: formatAge(now - row["decided_ms"]) },
              action: { text: text.action, tone },
              market: { text: text.market, title: row["ticker"] },
              rule: { text: text.rule },
              bids: { text: text.bids },
              fair: { text: text.fair },
              why: { text: text.why, title: `${text.why} (${row["reason"]})` },
              took: { text: text.took, title: "From the message to the decision" },
            },
          };
        }),
      );
      wrap.hidden = rows.length === 0;
      const empty = /** @type {HTMLElement} */ (panel.querySelector("[data-empty]"));
      empty.hidden = rows.length > 0;
      setText(empty.querySelector(".empty__title"), every.length ? "None of this kind" : "No decision yet");
    }
    panel.dataset["feed"] = state?.isFresh ? "live" : "stale";
  }

  action.addEventListener("change", draw);
  setInterval(() => {
    if (!document.hidden) draw();
  }, 1_000);

  return {
    show() {
      isShown = true;
      leave ??= desk.topics.watch(topic, () => {
        if (isDue) return;
        isDue = true;
        requestAnimationFrame(() => {
          isDue = false;
          draw();
        });
      });
      draw();
    },
    hide() {
      isShown = false;
      leave?.();
      leave = null;
    },
  };
}
