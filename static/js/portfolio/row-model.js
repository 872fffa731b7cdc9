/**
 * Rows of the positions grid out of live frames: one per position, a head per group, a total. Contracts 1/100, prices
 * 1/10,000 dollar, money 1/1,000,000 dollar; null is not known and shown as "-".
 */
import { DOLLAR, toUnits } from "../core/fixed.js";
import { NO_MARK } from "./mark-model.js";
import { scenarioOf, worthOf } from "./scenario-model.js";

/** @typedef {import("./mark-model.js").Mark} Mark */
/** @typedef {import("./mark-model.js").MarketFacts} MarketFacts */
/**
 * @typedef {object} PositionRow
 * @property {string} key
 * @property {false} isGroup
 * @property {number} subaccount
 * @property {string} ticker
 * @property {MarketFacts} facts
 * @property {number} position
 * @property {number} count
 * @property {"YES" | "NO" | ""} side
 * @property {number | null} average of the leg held
 * @property {number} cost
 * @property {Mark} mark
 * @property {number | null} markPrice of the leg held
 * @property {number | null} value
 * @property {number | null} unrealised
 * @property {number} realised
 * @property {number} fees
 * @property {number} today
 * @property {number} paysYes
 * @property {number} paysNo
 * @property {number} worst
 * @property {number} best
 * @property {number | null} settlesMs
 * @property {number} seenMs
 * @property {string} source
 * @property {boolean} isBroken
 */
/**
 * @typedef {object} GroupRow
 * @property {string} key
 * @property {true} isGroup
 * @property {string} name
 * @property {string} title
 * @property {string} href "" where there is no page of it
 * @property {number} positions
 * @property {boolean} isExclusive of a group that is one exclusive event
 * @property {boolean} isClosed
 * @property {number} cost
 * @property {number | null} value
 * @property {number} unmarked positions without a mark
 * @property {number | null} unrealised
 * @property {number} realised
 * @property {number} fees
 * @property {number} today
 * @property {number} worst
 * @property {number} best
 * @property {number | null} settlesMs
 */
/** @typedef {PositionRow | GroupRow} AnyRow */

/** @param {string} ticker @returns {MarketFacts} of a market that the catalogue does not hold (yet) */
export function unknownFacts(ticker) {
  const unknown = { outcome: "", eventTitle: "", seriesTitle: "", category: "", isExclusive: false };
  const times = { closeMs: null, settlesMs: null, status: "", result: "", value: null };
  return { ticker, event: ticker, series: ticker, ...unknown, ...times };
}

/**
 * Facts as the page carries them, see `facts_of` in apps/portfolio/figures_rows.py.
 * @param {{markets: Record<string, any[]>, events: Record<string, any[]>, series: Record<string, string>}} told
 * @returns {Map<string, MarketFacts>}
 */
export function readFacts(told) {
  return new Map(
    Object.entries(told.markets).map(([ticker, [outcome, event, closeMs, settlesMs, status, result, value]]) => {
      const [eventTitle, series, category, isExclusive] = told.events[event] ?? [event, "", "", false];
      const seriesTitle = told.series[series] ?? series;
      const of = { event, eventTitle, series, seriesTitle, category, isExclusive };
      return [ticker, { ticker, outcome, ...of, closeMs, settlesMs, status, result, value }];
    }),
  );
}

/**
 * @param {Record<string, any>} row of the topic `positions`
 * @param {MarketFacts} facts
 * @param {Mark} mark
 * @param {[string, string] | undefined} today realised and fees of this trading day
 * @param {boolean} isBroken
 * @returns {PositionRow}
 */
export function positionRow(row, facts, mark, today, isBroken) {
  const position = toUnits(row["position"], 2);
  const count = Math.abs(position);
  const cost = toUnits(row["cost"], 6);
  const price = mark.price;
  const value = !count ? 0 : mark.isVoid ? cost : price === null ? null : worthOf(position, price);
  const own = scenarioOf([legOf(row["ticker"], position, cost, facts)], false);
  return {
    key: row["key"],
    isGroup: false,
    subaccount: row["subaccount"],
    ticker: row["ticker"],
    facts,
    position,
    count,
    side: position > 0 ? "YES" : position < 0 ? "NO" : "",
    average: count ? Math.round(cost / count) : null,
    cost,
    mark: count ? mark : NO_MARK,
    markPrice: !count || price === null ? null : position > 0 ? price : DOLLAR - price,
    value,
    unrealised: value === null ? null : value - cost,
    realised: toUnits(row["realized_pnl"], 6),
    fees: toUnits(row["fees_paid"], 6),
    today: today ? toUnits(today[0], 6) - toUnits(today[1], 6) : 0,
    paysYes: position > 0 ? worthOf(position, DOLLAR) : 0,
    paysNo: position < 0 ? worthOf(position, 0) : 0,
    worst: own.worst,
    best: own.best,
    settlesMs: facts.settlesMs,
    seenMs: row["seen_ms"],
    source: row["source"],
    isBroken,
  };
}

/** @param {string} ticker @param {number} position @param {number} cost @param {MarketFacts} facts */
function legOf(ticker, position, cost, facts) {
  const { result, value } = facts;
  const isVoid = result === "void";
  const known = result === "yes" ? DOLLAR : result === "no" ? 0 : result && value !== null ? toUnits(value, 4) : null;
  return { ticker, position, cost, value: isVoid ? null : known, isVoid };
}

/** @param {PositionRow} row @param {string} by @returns {string} */
export function groupOf(row, by) {
  if (by === "event") return row.facts.event;
  if (by === "series") return row.facts.series || row.facts.event;
  if (by === "category") return row.facts.category || "Without a category";
  if (by === "subaccount") return String(row.subaccount);
  return by === "market" ? row.ticker : "";
}

/** @param {PositionRow} row @param {string} by @returns {[string, string, string]} name, title, address */
function headOf(row, by) {
  const { facts } = row;
  if (by === "event") {
    const isKnown = facts.eventTitle !== "";
    return [
      facts.eventTitle || facts.event,
      facts.event,
      isKnown ? `/markets/events/${encodeURIComponent(facts.event)}/` : "",
    ];
  }
  if (by === "series") return [facts.seriesTitle || facts.series || facts.event, facts.series, ""];
  if (by === "category") return [facts.category || "Without a category", "", ""];
  if (by === "subaccount") return [`Subaccount ${row.subaccount}`, "", ""];
  return [facts.outcome || row.ticker, row.ticker, `/markets/${encodeURIComponent(row.ticker)}/`];
}

/**
 * What some positions come to together. Events are independent of each other, so their cases add up.
 * @param {PositionRow[]} rows
 */
export function sumRows(rows) {
  /** @type {Map<string, PositionRow[]>} */
  const events = new Map();
  for (const row of rows) events.set(row.facts.event, [...(events.get(row.facts.event) ?? []), row]);
  let worst = 0;
  let best = 0;
  for (const mine of events.values()) {
    const legs = mine.map((row) => legOf(row.ticker, row.position, row.cost, row.facts));
    const found = scenarioOf(legs, Boolean(mine[0]?.facts.isExclusive));
    worst += found.worst;
    best += found.best;
  }
  const sum = (/** @type {(row: PositionRow) => number | null} */ read) =>
    rows.reduce((total, row) => total + (read(row) ?? 0), 0);
  const unmarked = rows.filter((row) => row.value === null).length;
  const settles = rows.map((row) => row.settlesMs).filter((ms) => ms !== null);
  return {
    positions: rows.length,
    cost: sum((row) => row.cost),
    value: unmarked ? null : sum((row) => row.value),
    marked: sum((row) => row.value),
    unmarked,
    unrealised: unmarked ? null : sum((row) => row.unrealised),
    realised: sum((row) => row.realised),
    fees: sum((row) => row.fees),
    today: sum((row) => row.today),
    worst,
    best,
    settlesMs: settles.length ? Math.min(...settles) : null,
    isExclusive: events.size === 1 && Boolean(rows[0]?.facts.isExclusive),
  };
}

/**
 * @param {PositionRow[]} rows
 * @param {string} by "none": no heads
 * @param {Set<string>} closed keys of heads whose positions are folded away
 * @returns {GroupRow[]}
 */
export function groupRows(rows, by, closed) {
  if (by === "none") return [];
  /** @type {Map<string, PositionRow[]>} */
  const groups = new Map();
  for (const row of rows) {
    const name = groupOf(row, by);
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  return [...groups].map(([id, mine]) => {
    const key = groupKey(by, id);
    const [name, title, href] = headOf(/** @type {PositionRow} */ (mine[0]), by);
    return { key, isGroup: true, name, title, href, isClosed: closed.has(key), ...sumRows(mine) };
  });
}

/** @param {string} by @param {string} id */
export const groupKey = (by, id) => `group:${by}:${id}`;

/**
 * Put each position under its group's head, groups and positions in the order that the grid sorted them into.
 * @template {{data: AnyRow}} T
 * @param {T[]} nodes changed in place
 * @param {string} by
 */
export function arrange(nodes, by) {
  if (by === "none") return;
  /** @type {Map<string, T[]>} */
  const under = new Map();
  const heads = [];
  for (const node of nodes) {
    if (node.data.isGroup) heads.push(node);
    else {
      const key = groupKey(by, groupOf(node.data, by));
      const list = under.get(key);
      if (list) list.push(node);
      else under.set(key, [node]);
    }
  }
  const arranged = heads.flatMap((head) => [head, ...(under.get(head.data.key) ?? [])]);
  nodes.splice(0, nodes.length, ...arranged);
}

/**
 * @param {PositionRow} row
 * @param {{text: string, subaccount: string, flat: boolean}} choice
 */
export function isChosen(row, { text, subaccount, flat }) {
  if (!flat && row.count === 0) return false;
  if (subaccount !== "" && String(row.subaccount) !== subaccount) return false;
  const { facts } = row;
  const words = `${row.ticker} ${facts.outcome} ${facts.eventTitle} ${facts.series}`.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => words.includes(word));
}
