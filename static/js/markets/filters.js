/** What the list shows, as it stands in the address: shareable, and the Back button works. Pure. */

export const FIELDS = [
  "q",
  "category",
  "series",
  "tag",
  "status",
  "closes",
  "spread",
  "volume",
  "rewards",
  "list",
  "star",
  "sort",
];

/** Sort key of the address -> column, and whether the plain key runs downwards. As `selectors.SORTS`. */
const SORT_COLUMNS = /** @type {Record<string, {column: string, isDown: boolean}>} */ ({
  volume: { column: "volume_24h", isDown: true },
  open_interest: { column: "open_interest", isDown: true },
  close: { column: "close_ms", isDown: false },
  ticker: { column: "market", isDown: false },
  last: { column: "last", isDown: true },
  spread: { column: "spread", isDown: false },
});

export const SORTABLE = new Map(
  Object.entries(SORT_COLUMNS).map(([key, { column, isDown }]) => [column, { key, isDown }]),
);

/** @typedef {Record<string, string>} Filters */

/**
 * @param {string} search "?q=fed&status=open"
 * @returns {Filters} every field, "" where absent
 */
export function readFilters(search) {
  const params = new URLSearchParams(search);
  return Object.fromEntries(FIELDS.map((name) => [name, (params.get(name) ?? "").trim()]));
}

/** What an absent status means: open markets, but all of a watchlist. @param {Filters} filters */
export function defaultStatus(filters) {
  return filters["list"] ? "all" : "open";
}

/**
 * The shortest address that shows the same.
 * @param {Filters} filters
 * @returns {string} "" or "?..."
 */
export function toSearch(filters) {
  const params = new URLSearchParams();
  for (const name of FIELDS) {
    const value = (filters[name] ?? "").trim();
    if (!value || (name === "status" && value === defaultStatus(filters)) || (name === "sort" && value === "volume"))
      continue;
    params.set(name, value);
  }
  const text = params.toString();
  return text ? `?${text}` : "";
}

/** Whether anything narrows the list, beside the choice of list and order. @param {Filters} filters */
export function isNarrowed(filters) {
  return (
    toSearch({ ...filters, list: filters["list"] ?? "", star: "", sort: "" }) !==
    toSearch({ list: filters["list"] ?? "" })
  );
}

/**
 * Where the rows of a page are.
 * @param {string} base
 * @param {Filters} filters
 * @param {number} offset
 * @param {number} limit
 */
export function rowsUrl(base, filters, offset, limit) {
  const search = toSearch(filters);
  return `${base}${search}${search ? "&" : "?"}offset=${offset}&limit=${limit}`;
}

/**
 * @param {string} sort of the address
 * @returns {{column: string, direction: "asc" | "desc"}}
 */
export function sortColumn(sort) {
  const isTurned = sort.startsWith("-");
  const found = SORT_COLUMNS[isTurned ? sort.slice(1) : sort] ?? /** @type {any} */ (SORT_COLUMNS["volume"]);
  return { column: found.column, direction: found.isDown !== isTurned ? "desc" : "asc" };
}

/**
 * @param {string | undefined} column
 * @param {string | null | undefined} direction
 */
export function sortKey(column, direction) {
  const found = column === undefined ? undefined : SORTABLE.get(column);
  if (!found || !direction) return "";
  return (direction === "desc") === found.isDown ? found.key : `-${found.key}`;
}
