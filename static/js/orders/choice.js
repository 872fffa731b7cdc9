/** Tab and filters in the page's address, and addresses of what the desk gives for them. No DOM. */

/** @typedef {import("./row-model.js").Choice} Choice */

export const TABS = ["working", "unknown", "filled", "cancelled", "rejected", "all"];
const NAMES = /** @type {const} */ (["tab", "q", "side", "person", "subaccount"]);

/** @param {string} search location.search @returns {Choice} */
export function readChoice(search) {
  const given = new URLSearchParams(search);
  const tab = given.get("tab") ?? "";
  return {
    tab: TABS.includes(tab) ? tab : "working",
    q: given.get("q") ?? "",
    side: given.get("side") ?? "",
    person: given.get("person") ?? "",
    subaccount: given.get("subaccount") ?? "",
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
  return Boolean(choice.q.trim() || choice.side || choice.person || choice.subaccount);
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

/** @type {Record<string, [string, string]>} */
const EMPTY = {
  working: ["No working order", "Orders that may still fill are listed here. A market's ticket places one."],
  unknown: ["No order with an unknown outcome", "Orders whose send was not confirmed wait here until they are found."],
  filled: ["No filled order yet", "Orders that filled completely are listed here."],
  cancelled: ["No cancelled order yet", "Orders that ended before they were filled are listed here."],
  rejected: ["No rejected order", "Orders that the desk or the exchange refused are listed here, with the reason."],
  all: ["No order yet", "A market's ticket places one."],
};

/** Title and text where a choice has no row. @param {Choice} choice @returns {[string, string]} */
export function emptyWords(choice) {
  if (isNarrowed(choice)) return ["No order matches", "A shorter text, another side or anybody shows more."];
  return EMPTY[choice.tab] ?? ["", ""];
}
