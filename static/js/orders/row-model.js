/** Rows of the blotter: what the desk says of an order, in whole units, with the words that the columns show. No DOM. */
import { toUnits } from "../core/fixed.js";
import { shownPrice, sideWords, terms } from "../market/orders-table.js";

/** @typedef {"working" | "unknown" | "filled" | "cancelled" | "rejected"} Tab */
/** @typedef {{tab: string, q: string, side: string, person: string, subaccount: string}} Choice */

/**
 * @typedef {object} BlotterRow
 * @property {string} key
 * @property {number} v
 * @property {Tab} tab
 * @property {string} ticker
 * @property {string} side "BUY YES"
 * @property {boolean} isBid buys YES, on the book's own leg
 * @property {number} price 1/10,000 dollar, in the prices of what was entered
 * @property {number} yesPrice the same on the YES leg
 * @property {boolean} isInNo `price` is in NO prices
 * @property {number} count 1/100 contract
 * @property {number | null} filled null: not known
 * @property {number | null} remaining
 * @property {number | null} average 1/10,000 dollar, in the prices of what was entered
 * @property {number | null} fees 1/1,000,000 dollar
 * @property {number | null} predictedFees what our fee model gives for its fills
 * @property {number | null} queue 1/100 contract ahead of it, as last read; null: not known
 * @property {string} terms
 * @property {string} state
 * @property {string} stateText
 * @property {string} tone of its badge
 * @property {string} reason
 * @property {string} person
 * @property {number} subaccount
 * @property {string} orderGroup name of the order group that it is in; "" for none
 * @property {number | null} createdMs
 * @property {number | null} updatedMs
 * @property {string} orderId "" until the exchange has shown it
 * @property {boolean} isWorking
 * @property {boolean} canCancel there is something to cancel, and no cancel is on its way
 * @property {boolean} canChange it rests, and neither a cancel nor a change of it is on its way
 * @property {boolean} isCancelling
 */

/** @type {Record<string, Tab>} */
const TAB_OF_STATE = {
  unknown: "unknown",
  not_seen: "unknown",
  refused: "rejected",
  executed: "filled",
  canceled: "cancelled",
};
/** @type {Record<string, string>} */
const TONES = {
  resting: "resting",
  accepted: "resting",
  executed: "ok",
  refused: "danger",
  unknown: "unknown",
  not_seen: "unknown",
};
const ON_THEIR_WAY = new Set(["committed", "sending", "unknown"]);

/** A change whose outcome is not known yet, in words. @param {Record<string, any>} row */
const openChange = (row) => (ON_THEIR_WAY.has(row["change"]) ? row["change_text"] : "");
/** @param {Record<string, any>} row */
const refusedChange = (row) => (row["change"] === "refused" && row["is_working"] ? row["change_text"] : "");

/** @param {Record<string, any>} row a row of the topic `orders` @returns {Tab} */
export function tabOf(row) {
  return TAB_OF_STATE[row["state"]] ?? "working";
}

/** @param {Record<string, any>} row "buy_yes" and so on: as entered, or as buying the outcome that it buys */
export function sideOf(row) {
  return row["entered_as"] || (row["book_side"] === "bid" ? "buy_yes" : "buy_no");
}

/**
 * What one contract cost on average so far; null before that is known. The exchange counts the cost of the outcome
 * bought, a sale is told in the prices of what was sold.
 * @param {Record<string, any>} row
 */
export function averageOf(row) {
  if (row["fill_cost"] === null || row["fill_cost"] === undefined) return null;
  const filled = BigInt(toUnits(row["filled"], 2));
  const cost = BigInt(toUnits(row["fill_cost"], 6));
  if (!filled || !cost) return null;
  const average = Number((cost + filled / 2n) / filled);
  const isInNo = sideOf(row).endsWith("_no");
  return isInNo === (row["outcome_side"] === "no") ? average : 10_000 - average;
}

/**
 * @param {Record<string, any>} row of the topic, or of rows.json: the same shape
 * @param {Record<string, string>} people by user id
 * @param {Map<string, string>} [groups] names of order groups by the exchange's id
 * @returns {BlotterRow}
 */
export function fromDesk(row, people, groups) {
  const isUnknown = row["state"] === "unknown";
  const filled = toUnits(row["filled"], 2);
  const isWorking = row["is_working"] && !isUnknown;
  const isCancelling = isWorking && ON_THEIR_WAY.has(row["cancel"]);
  const isPartly = row["state"] === "resting" && filled > 0;
  return {
    key: row["key"],
    v: row["v"],
    tab: tabOf(row),
    ticker: row["ticker"],
    side: sideWords(row),
    isBid: row["book_side"] === "bid",
    price: shownPrice(row),
    yesPrice: toUnits(row["price"], 4),
    isInNo: sideOf(row).endsWith("_no"),
    count: toUnits(row["count"], 2),
    filled: isUnknown ? null : filled,
    remaining: isUnknown ? null : toUnits(row["remaining"], 2),
    average: averageOf(row),
    fees: row["fees"] === null ? null : toUnits(row["fees"], 6),
    predictedFees: row["fees_predicted"] ? toUnits(row["fees_predicted"], 6) : null,
    queue: row["queue"] ? toUnits(row["queue"], 2) : null,
    terms: terms(row),
    state: row["state"],
    stateText: (isWorking && (row["cancel_text"] || openChange(row))) || row["state_text"].toLowerCase(),
    tone: isPartly ? "partly" : (TONES[row["state"]] ?? "muted"),
    reason:
      row["error"] || refusedChange(row) || (tabOf(row) === "unknown" ? row["evidence"] : "") || row["ended"] || "",
    person: row["is_external"] ? "elsewhere" : (people[row["placed_by"]] ?? "-"),
    subaccount: row["subaccount"],
    orderGroup: row["order_group_id"]
      ? (groups?.get(row["order_group_id"]) ?? `Group ${row["order_group_id"].slice(0, 8)}`)
      : "",
    createdMs: row["created_ms"],
    updatedMs: row["updated_ms"],
    orderId: row["order_id"] ?? "",
    isWorking,
    canCancel: isWorking && Boolean(row["order_id"]) && !["committed", "sending"].includes(row["cancel"]),
    canChange: row["state"] === "resting" && Boolean(row["order_id"]) && !isCancelling && !openChange(row),
    isCancelling,
  };
}

/**
 * Whether a choice of tab and filters takes a row; the server's `pages/rows.py` says the same.
 * @param {Record<string, any>} row as the desk says it
 * @param {Choice} choice
 */
export function isChosen(row, choice) {
  if (choice.tab !== "all" && tabOf(row) !== choice.tab) return false;
  if (choice.side && sideOf(row) !== choice.side) return false;
  if (choice.person === "external" ? !row["is_external"] : choice.person && String(row["placed_by"]) !== choice.person)
    return false;
  if (choice.subaccount && String(row["subaccount"]) !== choice.subaccount) return false;
  const text = choice.q.trim().toLowerCase();
  if (!text) return true;
  const isId = [row["order_id"], row["client_order_id"]].some((id) => (id ?? "").toLowerCase().startsWith(text));
  return isId || row["ticker"].toLowerCase().includes(text);
}

/** @typedef {{key: string, isGroup: true, name: string, orders: number, markets: number, remaining: number}} GroupRow */

/** @param {BlotterRow} row @param {string} by "market", "person", "subaccount" or "order_group" */
export function groupName(row, by) {
  if (by === "order_group") return row.orderGroup || "In no order group";
  return by === "market" ? row.ticker : by === "person" ? row.person : `Subaccount ${row.subaccount}`;
}

/**
 * Heads of groups with what is under them; the grid puts each before its rows.
 * @param {BlotterRow[]} rows
 * @param {string} by
 * @returns {GroupRow[]}
 */
export function groupRows(rows, by) {
  if (!by) return [];
  /** @type {Map<string, BlotterRow[]>} */
  const groups = new Map();
  for (const row of rows) {
    const name = groupName(row, by);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups].map(([name, under]) => ({
    key: `group:${name}`,
    isGroup: true,
    name,
    orders: under.length,
    markets: new Set(under.map((row) => row.ticker)).size,
    remaining: under.reduce((sum, row) => sum + (row.isWorking ? (row.remaining ?? 0) : 0), 0),
  }));
}

/**
 * Put each head of a group before its rows: groups by name, rows as they were sorted. Changes `nodes` in place.
 * @template {{data?: any}} T
 * @param {T[]} nodes
 * @param {string} by
 */
export function arrangeGroups(nodes, by) {
  if (!by) return;
  /** @type {Map<string, {head: T | null, under: T[]}>} */
  const groups = new Map();
  for (const node of nodes) {
    const name = node.data.isGroup ? node.data.name : groupName(node.data, by);
    const group = groups.get(name) ?? { head: null, under: [] };
    if (node.data.isGroup) group.head = node;
    else group.under.push(node);
    groups.set(name, group);
  }
  const names = [...groups.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const arranged = names.flatMap((name) => {
    const { head, under } = /** @type {{head: T | null, under: T[]}} */ (groups.get(name));
    return head ? [head, ...under] : under;
  });
  nodes.splice(0, nodes.length, ...arranged);
}
