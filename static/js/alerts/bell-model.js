/** What the bell says. No DOM. */

/**
 * @typedef {{id: number, level: string, title: string, text: string, link: string, at_ms: number, count: number,
 *   is_unread: boolean, is_over: boolean, is_acknowledged: boolean}} AlertRow
 * @typedef {{delivery_id: number, tag: string, title: string, text: string, link: string, is_urgent: boolean}} Shown
 * @typedef {{unread: number, newest: AlertRow[], show: Shown[]}} News
 */

/** @param {number} unread counted up to 100 by the server */
export function badge(unread) {
  return unread > 99 ? "99+" : unread > 0 ? String(unread) : "";
}

/** @param {number} unread */
export function bellLabel(unread) {
  if (!unread) return "Notifications";
  return `Notifications, ${unread > 99 ? "more than 99" : unread} new ${unread === 1 ? "alert" : "alerts"}`;
}

/** @param {AlertRow} row */
export function titleOf(row) {
  return row.count > 1 ? `${row.title} and ${(row.count - 1).toLocaleString("en-US")} more` : row.title;
}

/** @param {AlertRow} row @returns {"over" | "done" | "new" | ""} */
export function standing(row) {
  if (row.is_over) return "over";
  if (row.is_acknowledged) return "done";
  return row.is_unread ? "new" : "";
}

/**
 * What to say to a screen reader: the newest alert that was not there before; "" on the first look of a page.
 * @param {News | null} before @param {News} now
 */
export function spoken(before, now) {
  if (!before) return "";
  const known = new Map(before.newest.map((row) => [row.id, row.count]));
  const fresh = now.newest.find((row) => row.is_unread && (known.get(row.id) ?? 0) < row.count);
  return fresh ? `Alert: ${titleOf(fresh)}` : "";
}

/** Which page a link of an alert may open: one of this desk. @param {string} link */
export function ownPage(link) {
  return /^\/(?![/\\])/.test(link) ? link : "/alerts/";
}

/** @param {string} permission of Notification, or "unsupported" */
export function permissionWords(permission) {
  const words = {
    granted: "This browser shows notifications, while a page of the desk is open.",
    denied: "Notifications are blocked in this browser's settings for this address.",
    default: "This browser may not show notifications yet.",
    unsupported: "This browser has no notifications.",
  };
  return words[/** @type {keyof typeof words} */ (permission)] ?? words.unsupported;
}
