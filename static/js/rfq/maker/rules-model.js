/** Auto-quote rules as they are listed and written: terms of docs/rfq.md ("Rules") as a form and as words. No DOM here. */
import { PRICE_PLACES, formatFixed, fromUnits, toUnits } from "../../core/fixed.js";
import { countWords, moneyWords, priceUnits, stepOf } from "../confirm/words.js";

/** @typedef {Record<string, any>} Row a row of `rules:<account>` */
/** @typedef {Record<string, any>} Terms */
/** @typedef {import("./form-dialog.js").FormField & {unit?: "cents" | "edge" | "plain"}} RuleField name: as the desk names it in faults ("match.max_legs") */

export const FAIR = /** @type {[string, string][]} */ ([
  ["book", "middle of the book"],
  ["legs", "product of the legs"],
  ["bounds", "middle of the bounds"],
  ["manual", "our own mark"],
  ["file", "uploaded file"],
]);
const POLICIES = /** @type {[string, string][]} */ ([
  ["auto", "by itself while every check passes"],
  ["manual", "by a person; silence lets it lapse"],
  ["lapse", "never: always lapse"],
]);
const SIDES = /** @type {[string, string][]} */ ([
  ["both", "both sides"],
  ["yes", "YES only"],
  ["no", "NO only"],
]);
const COMBOS = /** @type {[string, string][]} */ ([
  ["any", "with and without legs"],
  ["only", "combos only"],
  ["none", "no combos"],
]);

/** @type {RuleField[]} */
export const FIELDS = [
  { group: "Matches", name: "match.series", label: "Series", kind: "list", hint: "of the market, and of every leg" },
  { name: "match.collections", label: "Collections", kind: "list" },
  { name: "match.requesters", label: "Requesters", kind: "list" },
  { name: "match.combos", label: "Combos", kind: "choice", choices: COMBOS },
  { name: "match.min_legs", label: "Legs, at least", kind: "number" },
  { name: "match.max_legs", label: "Legs, at most", kind: "number" },
  { name: "match.min_contracts", label: "Contracts, at least", kind: "decimal" },
  { name: "match.max_contracts", label: "Contracts, at most", kind: "decimal" },
  { name: "match.min_cost", label: "Target cost, at least", kind: "decimal", suffix: "$" },
  { name: "match.max_cost", label: "Target cost, at most", kind: "decimal", suffix: "$" },
  { name: "match.closes_after_s", label: "Closes in no less than", kind: "number", suffix: "s" },
  { name: "match.closes_within_s", label: "Closes within", kind: "number", suffix: "s" },
  { group: "Prices", name: "fair", label: "Fair value", kind: "choice", choices: FAIR },
  {
    name: "edge_unit",
    label: "Edges are",
    kind: "choice",
    choices: [
      ["dollars", "cents"],
      ["percent", "percent of the side's value"],
    ],
  },
  { name: "edge_yes", label: "Edge of the YES bid", kind: "decimal", unit: "edge" },
  { name: "edge_no", label: "Edge of the NO bid", kind: "decimal", unit: "edge" },
  { name: "min_width", label: "Width, at least", kind: "decimal", unit: "cents", suffix: "¢" },
  { name: "sides", label: "Sides", kind: "choice", choices: SIDES },
  { name: "skew_per_100", label: "Skew for each 100 held", kind: "decimal", unit: "cents", suffix: "¢" },
  { name: "skew_most", label: "Skew, at most", kind: "decimal", unit: "cents", suffix: "¢" },
  { name: "max_age_s", label: "Fair value no older than", kind: "number", suffix: "s" },
  { name: "reprice_move", label: "Quote again when fair moves", kind: "decimal", unit: "cents", suffix: "¢" },
  { group: "Bounds", name: "max_contracts", label: "Contracts of one request", kind: "decimal" },
  { name: "max_position", label: "Position after a hit", kind: "decimal" },
  { name: "max_open", label: "Open quotes", kind: "number" },
  { name: "max_at_risk", label: "At risk in all", kind: "decimal", suffix: "$" },
  { name: "ttl_s", label: "A quote lasts", kind: "number", suffix: "s" },
  { name: "delay_ms", label: "Waits before it quotes", kind: "number", suffix: "ms" },
  { name: "active_from", label: "Active from, UTC", kind: "text", hint: "09:30" },
  { name: "active_until", label: "Active until, UTC", kind: "text" },
  { name: "never_alone", label: "Never the only quote", kind: "flag" },
  { name: "post_only", label: "Post-only", kind: "flag" },
  { name: "rest_remainder", label: "Rest remainder", kind: "flag" },
  { group: "When accepted", name: "policy", label: "Confirmed", kind: "choice", choices: POLICIES },
  { name: "max_move", label: "Fair moved against us, at most", kind: "decimal", unit: "cents", suffix: "¢" },
  { name: "insist_manual", label: "I insist on a person although combos leave 3 s", kind: "flag" },
  {
    group: "Breakers: it is disarmed at",
    name: "breakers.fills_per_min",
    label: "More fills a minute than",
    kind: "number",
  },
  { name: "breakers.loss_per_day", label: "A loss in a day of", kind: "decimal", suffix: "$" },
  { name: "breakers.lapses_in_row", label: "Lapses in a row", kind: "number" },
  { name: "breakers.feed_stale", label: "A feed that is stale for", kind: "number", suffix: "s" },
  { name: "breakers.refused_per_min", label: "Rate refusals a minute", kind: "number" },
];

/** What a new rule starts with: small, two cents, off. @type {Terms} */
export const FIRST_TERMS = {
  match: { combos: "none" },
  fair: "book",
  edge_unit: "dollars",
  edge_yes: "0.02",
  edge_no: "0.02",
  min_width: "0.02",
  sides: "both",
  max_contracts: "100",
  max_open: 5,
  max_at_risk: "100",
  ttl_s: 60,
  policy: "auto",
  max_move: "0.01",
  breakers: { fills_per_min: 10, loss_per_day: "100", lapses_in_row: 3, feed_stale: 5, refused_per_min: 3 },
};

/** @param {Terms} terms @param {string} name */
function valueOf(terms, name) {
  const [head = "", tail] = name.split(".");
  return tail === undefined ? terms[head] : terms[head]?.[tail];
}

/** Dollars as cents are typed: "0.02" is "2". @param {string} raw */
function centsText(raw) {
  const units = priceUnits(String(raw));
  return units === null ? "" : formatFixed(units, 2, stepOf(units) === 100 ? 0 : stepOf(units) === 10 ? 1 : 2);
}

/** What stands in a field. @param {Terms} terms @param {RuleField} field */
export function fieldText(terms, { name, kind, unit }) {
  const value = valueOf(terms, name);
  if (value === undefined || value === null || kind === "flag") return "";
  if (Array.isArray(value)) return value.join(", ");
  const isCents = unit === "cents" || (unit === "edge" && terms["edge_unit"] !== "percent");
  return isCents ? centsText(value) : String(value);
}

/** @param {Terms} terms @param {RuleField} field */
export const fieldFlag = (terms, { name, kind }) => kind === "flag" && valueOf(terms, name) === true;

/**
 * The form as terms, with what cannot be read by field; what fields say together the desk checks.
 * @param {Record<string, string | boolean>} values
 * @returns {{terms: Terms, faults: Record<string, string>}}
 */
export function readTerms(values) {
  /** @type {Terms} */
  const terms = { match: {}, breakers: {} };
  /** @type {Record<string, string>} */
  const faults = {};
  for (const { name, kind, unit } of FIELDS) {
    const [head = "", tail] = name.split(".");
    const put = (/** @type {any} */ value) => {
      if (tail === undefined) terms[head] = value;
      else terms[head][tail] = value;
    };
    const value = values[name];
    if (kind === "flag") {
      if (value === true) put(true);
      continue;
    }
    const text = String(value ?? "").trim();
    if (!text) continue;
    if (kind === "list") put(text.split(/[\s,;]+/).filter(Boolean));
    else if (kind === "number") {
      if (/^\d{1,9}$/.test(text)) put(Number(text));
      else faults[name] = "A whole number.";
    } else if (kind === "decimal") {
      const plain = text.replace(/^\$|[%¢]$/g, "").replaceAll(",", "");
      const isCents = unit === "cents" || (unit === "edge" && values["edge_unit"] !== "percent");
      if (!/^\d+(\.\d{1,4})?$/.test(plain)) faults[name] = "A number.";
      else if (!isCents) put(plain);
      else if (/^\d+(\.\d{1,2})?$/.test(plain)) put(fromUnits(toUnits(plain, 2), PRICE_PLACES));
      else faults[name] = "Cents with at most two decimals.";
    } else put(text);
  }
  return { terms, faults };
}

/** What a rule matches, in words. @param {Terms} terms */
export function matchWords(terms) {
  const match = terms["match"] ?? {};
  const parts = [];
  if (match.combos === "only") parts.push("combos");
  if (match.combos === "none") parts.push("single markets");
  if (match.series?.length) parts.push(match.series.join(", "));
  if (match.collections?.length) parts.push(`collections ${match.collections.join(", ")}`);
  if (match.requesters?.length) parts.push(`${match.requesters.length} requesters`);
  const range = (/** @type {string} */ what, /** @type {any} */ least, /** @type {any} */ most) => {
    if (least !== undefined && most !== undefined) parts.push(`${least} to ${most} ${what}`);
    else if (least !== undefined) parts.push(`${least} ${what} or more`);
    else if (most !== undefined) parts.push(`up to ${most} ${what}`);
  };
  range("legs", match.min_legs, match.max_legs);
  range("contracts", match.min_contracts, match.max_contracts);
  range("dollars", match.min_cost, match.max_cost);
  if (match.closes_within_s !== undefined) parts.push(`closing within ${match.closes_within_s} s`);
  if (match.closes_after_s !== undefined) parts.push(`closing in ${match.closes_after_s} s or later`);
  return parts.join(" · ") || "every request";
}

/** @param {Terms} terms @param {string} name */
function edge(terms, name) {
  const value = terms[name];
  if (value === undefined) return "-";
  return terms["edge_unit"] === "percent" ? `${value}%` : centsText(value);
}

/** "seen 120 · quoted 40 · won 3 · confirmed 3 · lapsed 0" @param {Record<string, number>} counts @param {string} state */
export function countsWords(counts, state) {
  const parts = [`${counts["seen"] ?? 0} seen`];
  if (state === "shadow" || counts["would_quote"]) parts.push(`${counts["would_quote"] ?? 0} would quote`);
  parts.push(`${counts["quoted"] ?? 0} quoted`, `${counts["won"] ?? 0} won`);
  if (counts["lapsed"]) parts.push(`${counts["lapsed"]} lapsed`);
  const shadow = shadowWords(/** @type {any} */ (counts["shadow"]));
  if (shadow) parts.push(shadow);
  return parts.join(" · ");
}

/** What the rule would have made in the shadow, of how many. @param {Record<string, any> | undefined} shadow */
export function shadowWords(shadow) {
  if (!shadow?.["graded"]) return "";
  const seen = shadow["graded"] - shadow["no_print"];
  const made = shadow["valued"] ? `, ${moneyWords(String(shadow["made"]))} a minute later` : "";
  return `would have won ${shadow["won"]} of ${seen} trades${made} (${shadow["graded"]} graded)`;
}

const GRADES = {
  won: "would have won",
  tied: "same price as the trade",
  lost: "somebody paid more",
  no_print: "no trade was seen",
};

/** What became of a quote that was not sent. @param {Row | null} grade */
export function gradeWords(grade) {
  if (!grade) return "";
  const words = GRADES[/** @type {keyof typeof GRADES} */ (grade["standing"])] ?? `not graded: ${grade["why_not"]}`;
  return grade["made"] ? `${words}, ${moneyWords(grade["made"])} a minute later` : words;
}

const STATES = { off: "off", shadow: "shadow", armed: "armed" };

/** What a row of the grid says, by column. @param {Row} row */
export function cells(row) {
  const terms = row["terms"] ?? {};
  const breakers = { ...row["breakers"] };
  const caps = [
    `${countWords(String(terms["max_contracts"] ?? ""))} each`,
    `${terms["max_open"] ?? "-"} open`,
    moneyWords(String(terms["max_at_risk"] ?? "")),
  ];
  return {
    priority: String(row["priority"]),
    name: row["name"],
    match: matchWords(terms),
    fair: FAIR.find(([name]) => name === terms["fair"])?.[1] ?? "-",
    edges: `${edge(terms, "edge_yes")} / ${edge(terms, "edge_no")}`,
    width: terms["min_width"] ? centsText(terms["min_width"]) : "-",
    caps: caps.join(" · "),
    ttl: terms["ttl_s"] ? `${terms["ttl_s"]} s` : "-",
    policy:
      terms["policy"] === "auto" ? `auto, ${centsText(terms["max_move"] ?? "") || "-"}¢` : (terms["policy"] ?? "-"),
    state: STATES[/** @type {keyof typeof STATES} */ (row["state"])] ?? row["state"],
    today: countsWords(row["counts"] ?? {}, row["state"]),
    breakers: Object.entries(breakers)
      .map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`)
      .join(" · "),
  };
}

/** Who wrote what stands there now, and why. @param {Row} row @param {(ms: number) => string} time */
export function versionWords(row, time) {
  const by = row["made_by"]?.name ?? "somebody";
  const approved = row["approved_by"] ? `, approved by ${row["approved_by"].name}` : "";
  return `Version ${row["version"]} by ${by}${row["made_ms"] ? ` at ${time(row["made_ms"])}` : ""}${approved}: ${row["why"] || "no reason given"}`;
}

/** @param {Row} row @param {(ms: number) => string} time */
export function stateTitle(row, time) {
  const by = row["state_by"] ? ` by ${row["state_by"].name}` : "";
  const why = row["state_why"] ? `: ${row["state_why"]}` : "";
  return `${row["state_text"] ?? row["state"]}${row["state_ms"] ? ` since ${time(row["state_ms"])}` : ""}${by}${why}`;
}

/** @typedef {{id: number, name: string, environment: string}} Account */

/**
 * The desk's other accounts of one environment, whose rules can stand in the same grid.
 * @param {Account[]} accounts @param {string} account the selected one's id @param {string} environment
 */
export const otherAccounts = (accounts, account, environment) =>
  accounts.filter((one) => String(one.id) !== account && one.environment === environment);

/**
 * Rules of several accounts in one list: an account's together, in the order in which they are asked.
 * @param {Row[]} rows @param {number[]} accounts ids, the selected one first
 */
export const inOrder = (rows, accounts) =>
  rows.toSorted(
    (one, other) =>
      accounts.indexOf(one["account_id"]) - accounts.indexOf(other["account_id"]) ||
      one["priority"] - other["priority"] ||
      one["id"] - other["id"],
  );

/** What a person may turn a rule into. @param {string} state @param {boolean} mayArm */
export function nextStates(state, mayArm) {
  return ["off", "shadow", "armed"].filter((each) => each !== state && (each !== "armed" || mayArm));
}

/** The keys with one moved by a place; null when it cannot. @param {string[]} keys @param {string} key @param {-1 | 1} by */
export function movedKeys(keys, key, by) {
  const at = keys.indexOf(key);
  const to = at + by;
  if (at < 0 || to < 0 || to >= keys.length) return null;
  const moved = [...keys];
  moved.splice(at, 1);
  moved.splice(to, 0, key);
  return moved;
}

const ACTIONS = { quote: "quoted", shadow: "would have quoted", pass: "passed", pull: "pulled" };

/** A decision of a rule, by column. @param {Row} row a row of `decisions:<account>` @param {import("../../core/fixed.js").PriceFormat} format @param {(raw: string | null, format: any) => string} price */
export function decisionCells(row, format, price) {
  return {
    action: ACTIONS[/** @type {keyof typeof ACTIONS} */ (row["action"])] ?? row["action"],
    market: row["title"] || row["ticker"],
    rule: `${row["rule"].name} v${row["rule"].version}`,
    bids: `${price(row["yes_bid"], format)} / ${price(row["no_bid"], format)}`,
    fair: price(row["fair"], format),
    why: [row["text"] || String(row["reason"]).replaceAll("_", " "), gradeWords(row["grade"] ?? null)]
      .filter(Boolean)
      .join(" · "),
    took: `${row["took_ms"]} ms`,
  };
}
