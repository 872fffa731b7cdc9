/** Order groups: what the desk says of them, and how much of the rolling window is used right now. No DOM. */
import { formatCount, fromUnits, toUnits } from "../core/fixed.js";
import { readCount } from "../market/ticket-model.js";

/**
 * @typedef {object} Group
 * @property {string} key
 * @property {string} groupId the exchange's, "" until it has answered
 * @property {string} title its name, or its id where it has none
 * @property {number | null} limit 1/100 contract; null: not known
 * @property {[number, number][]} recent [Unix ms, 1/100 contract] of the matches that count, oldest first
 * @property {number} windowMs
 * @property {number | null} subaccount null: made elsewhere, and the exchange has not told where
 * @property {string} place where it is and who made it, where that is worth saying
 * @property {number} working orders of it that rest
 * @property {string} state
 * @property {string} stateWords
 * @property {string} tone of its badge
 * @property {boolean} isUsable it takes orders
 * @property {boolean} isOver deleted, or never created
 * @property {boolean} isOpen something that was asked of it has no outcome yet
 * @property {string} actionWords what was asked last, while that is worth saying; else ""
 */

/** @type {Record<string, [string, string]>} */
const STATES = {
  creating: ["being created", "muted"],
  active: ["active", "ok"],
  triggered: ["triggered", "warning"],
  deleted: ["deleted", "muted"],
  failed: ["not created", "danger"],
};
const ON_THEIR_WAY = new Set(["committed", "sending", "unknown"]);

/** @param {Record<string, any>} row */
function placeWords(row) {
  const where = row["subaccount"] === null ? "its subaccount is not known" : `subaccount ${row["subaccount"]}`;
  return row["name"] || !row["group_id"] ? (row["subaccount"] ? where : "") : `made elsewhere, ${where}`;
}

/** @param {Record<string, any>} row of the topic `groups:<account>` @returns {Group} */
export function groupFrom(row) {
  const [stateWords, tone] = STATES[row["state"]] ?? [row["state"], "muted"];
  const isInDoubt = row["action"] === "unknown";
  const isOpen = ON_THEIR_WAY.has(row["action"]);
  return {
    key: row["key"],
    groupId: row["group_id"],
    title: row["name"] || (row["group_id"] ? `Group ${row["group_id"].slice(0, 8)}` : "Unnamed group"),
    limit: row["limit"] === null ? null : toUnits(row["limit"], 2),
    recent: row["recent"].map((/** @type {[number, string]} */ [at, count]) => [at, toUnits(count, 2)]),
    windowMs: row["window_ms"],
    subaccount: row["subaccount"],
    place: placeWords(row),
    working: row["working"],
    state: row["state"],
    stateWords: isInDoubt ? `${stateWords}, in doubt` : stateWords,
    tone: isInDoubt ? "unknown" : tone,
    isUsable: row["is_usable"],
    isOver: row["state"] === "deleted" || row["state"] === "failed",
    isOpen,
    actionWords: isOpen || row["action"] === "refused" ? row["action_text"] : "",
  };
}

/**
 * Contracts that count against the limit at this moment, and when the next of them stop to count.
 * @param {Pick<Group, "recent" | "windowMs">} group
 * @param {number} nowMs
 */
export function useAt(group, nowMs) {
  const counting = group.recent.filter(([at]) => at > nowMs - group.windowMs);
  const last = counting.at(-1);
  return {
    use: counting.reduce((sum, [, count]) => sum + count, 0),
    emptyInMs: last ? last[0] + group.windowMs - nowMs : 0,
  };
}

/**
 * The gauge at this moment. level: "ok", "high" from three quarters of the limit, "full" from all of it.
 * @param {Group} group
 * @param {number} nowMs
 */
export function gaugeAt(group, nowMs) {
  const { use, emptyInMs } = useAt(group, nowMs);
  const seconds = Math.round(group.windowMs / 1_000);
  const of = group.limit === null ? "limit not known" : `of ${formatCount(group.limit)}`;
  const limit = group.limit ?? 0;
  const level = limit && use >= limit ? "full" : limit && use * 4 >= limit * 3 ? "high" : "ok";
  const drains = use ? `empty in ${Math.ceil(emptyInMs / 1_000)} s` : "";
  return { use, max: Math.max(limit, 1), level, words: `${formatCount(use)} ${of} in ${seconds} s`, drains };
}

/**
 * What each group is called, by the exchange's id; two of one name are told apart by their ids.
 * @param {Record<string, any>[]} rows of the topic `groups:<account>`
 * @returns {Map<string, string>}
 */
export function groupTitles(rows) {
  const groups = rows.map(groupFrom).filter(({ groupId }) => groupId);
  /** @type {Map<string, number>} */
  const often = new Map();
  for (const { title } of groups) often.set(title, (often.get(title) ?? 0) + 1);
  return new Map(
    groups.map(({ groupId, title }) => [groupId, often.get(title) === 1 ? title : `${title} (${groupId.slice(0, 8)})`]),
  );
}

/** @param {string} text @returns {{limit: string} | {error: string}} limit as the desk takes it */
export function readLimit(text) {
  const read = readCount(text);
  if ("error" in read) return read;
  if (read.units < 100) return { error: "Give at least one contract." };
  return { limit: fromUnits(read.units, 2) };
}

/**
 * Orders that rest now, by group: the group's own row counts them only when it changes itself.
 * @param {Record<string, any>[]} orders rows of the topic `orders:<account>`
 * @returns {Map<string, number>}
 */
export function workingByGroup(orders) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const row of orders) {
    const id = row["order_group_id"];
    if (id && row["state"] === "resting") counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/**
 * @param {Record<string, any>[]} rows of the topic `groups:<account>`
 * @param {Record<string, any>[] | null} orders rows of the topic `orders:<account>`; null: not known yet
 */
export function groupsFrom(rows, orders) {
  const groups = rows.map(groupFrom);
  if (orders === null) return groups;
  const working = workingByGroup(orders);
  return groups.map((group) => ({ ...group, working: working.get(group.groupId) ?? 0 }));
}

/** Groups in the order of the list: those that need a look first, then by name; what is over comes last. @param {Group[]} groups */
export function sortGroups(groups) {
  const rank = (/** @type {Group} */ group) =>
    group.isOver ? 3 : group.tone === "unknown" ? 0 : group.state === "triggered" ? 1 : 2;
  return groups.toSorted(
    (a, b) =>
      rank(a) - rank(b) || a.title.localeCompare(b.title, "en", { numeric: true }) || a.key.localeCompare(b.key),
  );
}

/**
 * What an action on a group does, in words: title, text and button of its question.
 * @param {"trigger" | "reset" | "delete"} kind
 * @param {Group} group
 */
export function actionQuestion(kind, group) {
  const orders =
    group.working === 1 ? "its 1 working order" : `its ${group.working.toLocaleString("en")} working orders`;
  switch (kind) {
    case "trigger":
      return {
        title: `Trigger ${group.title}?`,
        text: `The exchange cancels ${orders} and takes no new one in this group until it is reset. Orders outside the group stay. It is asked again until the exchange confirms it.`,
        yes: "Trigger and cancel",
        isDanger: true,
      };
    case "delete":
      return {
        title: `Delete ${group.title}?`,
        text: `The exchange cancels ${orders} and removes the group. It cannot be brought back. Orders outside the group stay.`,
        yes: "Delete and cancel",
        isDanger: true,
      };
    default:
      return {
        title: `Reset ${group.title}?`,
        text: "The count of the last 15 s starts at zero, and the group takes orders again. Orders that were cancelled do not come back. It is sent once.",
        yes: "Reset",
        isDanger: false,
      };
  }
}
