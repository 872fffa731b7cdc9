import assert from "node:assert/strict";
import { test } from "node:test";
import { isNarrowed, readFilters, rowsUrl, sortColumn, sortKey, toSearch } from "../../../static/js/markets/filters.js";

test("an address without filters shows open markets, and none are written back", () => {
  const filters = readFilters("");
  assert.equal(filters["status"], "");
  assert.equal(toSearch({ ...filters, status: "open", sort: "volume" }), "");
  assert.equal(isNarrowed(filters), false);
});

test("filters survive the way into the address and back", () => {
  const filters = { ...readFilters(""), q: "rate & cut", series: "KXFED", spread: "2", sort: "-close" };
  const search = toSearch(filters);
  assert.deepEqual(readFilters(search), filters);
  assert.ok(search.includes("q=rate+%26+cut"));
});

test("a watchlist shows every status unless one is asked for", () => {
  assert.equal(toSearch({ list: "7", status: "all" }), "?list=7");
  assert.equal(toSearch({ list: "7", status: "open" }), "?status=open&list=7");
  assert.equal(toSearch({ status: "all" }), "?status=all");
});

test("choosing a list or an order narrows nothing; a word does", () => {
  assert.equal(isNarrowed(readFilters("?list=7&sort=-close")), false);
  assert.equal(isNarrowed(readFilters("?list=7&q=fed")), true);
  assert.equal(isNarrowed(readFilters("?status=closed")), true);
});

test("unknown parameters of an address are left out", () => {
  assert.equal(toSearch(readFilters("?q=a&evil=1&offset=50")), "?q=a");
});

test("rows are asked for with the page's filters", () => {
  assert.equal(rowsUrl("/markets/rows.json", readFilters(""), 0, 100), "/markets/rows.json?offset=0&limit=100");
  assert.equal(rowsUrl("/r", readFilters("?q=a"), 100, 50), "/r?q=a&offset=100&limit=50");
});

test("each sort key names a column and a direction, and the way back gives the key", () => {
  for (const key of [
    "volume",
    "-volume",
    "open_interest",
    "-open_interest",
    "close",
    "-close",
    "ticker",
    "last",
    "-spread",
  ]) {
    const { column, direction } = sortColumn(key);
    assert.equal(sortKey(column, direction), key);
  }
  assert.deepEqual(sortColumn(""), { column: "volume_24h", direction: "desc" });
  assert.deepEqual(sortColumn("nonsense"), { column: "volume_24h", direction: "desc" });
  assert.equal(sortKey("bid", "asc"), "");
  assert.equal(sortKey(undefined, null), "");
});
