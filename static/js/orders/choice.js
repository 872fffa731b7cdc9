/** Tab and filters in the page's address, and addresses of what the desk gives for them. No DOM. */

/** @typedef {import("./row-model.js").Choice} Choice */

export const TABS = ["working", "unknown", "filled", "cancelled", "rejected", "all"];
const NAMES = /** @type {const} */ (["tab", "q", "side", "person"]);

/** @param {string} search location.search @returns {Choice} */
export function readChoice(search) {
  const given = new URLSearchParams(search);
  const tab = given.get("tab") ?? "";
  return {
    tab: TABS.includes(tab) ? tab : "working",
    q: given.get("q") ?? "",
    side: given.get("side") ?? "",
    person: given.get("person") ?? "",
  };
}

/** The address of a choice, without what is at its default. @param {Choice} choice */
export function toSearch(choice) {
  const kept = new URLSearchParams();
  for (const name of NAMES) {
    const value = choice[name].trim();
    if (value && !(name === "tab" && value === "working")) kept.set(name, value);
  }
  const text = kept.toString();
  return text ? `?${text}` : "";
}

/** @param {Choice} choice */
export function isNarrowed(choice) {
  return Boolean(choice.q.trim() || choice.side || choice.person);
}

/**
 * @param {string} base
 * @param {Choice} choice
 * @param {{after: string, limit: number}} page
 */
export function rowsAddress(base, choice, { after, limit }) {
  const query = new URLSearchParams(toSearch(choice));
  if (after) query.set("after", after);
  query.set("limit", String(limit));
  return `${base}?${query}`;
}
