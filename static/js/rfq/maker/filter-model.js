/** Filters of the incoming stream as a form: what is typed, as the criteria of docs/rfq.md, and back. No DOM here. */

/** @typedef {Record<string, any>} Criteria */
/** @typedef {{id: number, name: string, criteria: Criteria, is_shared?: boolean}} Filter */
/** @typedef {{name: string, label: string, kind: "list" | "number" | "decimal" | "text" | "choice" | "flag", hint?: string, choices?: [string, string][]}} Field */

/** @type {Field[]} */
export const FIELDS = [
  { name: "text", label: "Words in the title", kind: "text" },
  { name: "series", label: "Series", kind: "list", hint: "KXNFL, KXFED; of the market or of any leg" },
  { name: "collections", label: "Collections", kind: "list" },
  { name: "categories", label: "Categories", kind: "list" },
  {
    name: "combos",
    label: "Combos",
    kind: "choice",
    choices: [
      ["any", "with and without legs"],
      ["only", "combos only"],
      ["none", "no combos"],
    ],
  },
  { name: "max_legs", label: "Legs, at most", kind: "number" },
  { name: "min_contracts", label: "Contracts, at least", kind: "decimal" },
  { name: "max_contracts", label: "Contracts, at most", kind: "decimal" },
  { name: "min_cost", label: "Target cost, at least $", kind: "decimal" },
  { name: "max_cost", label: "Target cost, at most $", kind: "decimal" },
  { name: "closes_within_s", label: "Closes within, seconds", kind: "number" },
  { name: "with_fair", label: "Only what we have a fair value of", kind: "flag" },
  { name: "quoted_before", label: "Only markets we quoted before", kind: "flag" },
];

/** @param {Criteria} criteria @param {Field} field */
export function fieldText(criteria, { name, kind }) {
  const value = criteria[name];
  if (kind === "list") return Array.isArray(value) ? value.join(", ") : "";
  return value === undefined || value === null || kind === "flag" ? "" : String(value);
}

/**
 * What the form says, with faults by field. Empty fields do not filter.
 * @param {Record<string, string | boolean>} values
 * @returns {{criteria: Criteria, faults: Record<string, string>}}
 */
export function readCriteria(values) {
  /** @type {Criteria} */
  const criteria = {};
  /** @type {Record<string, string>} */
  const faults = {};
  for (const { name, kind } of FIELDS) {
    const value = values[name];
    if (kind === "flag") {
      if (value === true) criteria[name] = true;
      continue;
    }
    const text = String(value ?? "").trim();
    if (!text || (kind === "choice" && text === "any")) continue;
    if (kind === "list") {
      const words = text.split(/[\s,;]+/).filter(Boolean);
      criteria[name] =
        name === "categories" ? text.split(/\s*[,;]\s*/).filter(Boolean) : words.map((word) => word.toUpperCase());
    } else if (kind === "number") {
      if (/^\d{1,9}$/.test(text)) criteria[name] = Number(text);
      else faults[name] = "A whole number.";
    } else if (kind === "decimal") {
      const plain = text.replace(/^\$/, "").replaceAll(",", "");
      if (/^\d+(\.\d{1,2})?$/.test(plain)) criteria[name] = plain;
      else faults[name] = "A number with at most two decimals.";
    } else criteria[name] = text;
  }
  return { criteria, faults };
}
