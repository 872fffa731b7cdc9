import assert from "node:assert/strict";
import { test } from "node:test";
import { createColumnMemory } from "../../../static/js/grid/column-memory.js";
import { NARROW, closesWords, marketColumns } from "../../../static/js/markets/columns.js";

const options = /** @type {const} */ ({ format: "cents", now: () => 1_000, zone: "UTC", listName: () => "Starred" });
const columns = /** @type {any[]} */ (marketColumns(options));
const column = (/** @type {string} */ id) => columns.find((one) => one.colId === id);
const data = {
  bid: 4200,
  ask: 4450,
  bidSize: 1050,
  askSize: 100,
  last: 4300,
  previous: 4500,
  step: 100,
  position: -250,
  volume24h: 123_456,
  status: "active",
};
const shown = (/** @type {string} */ id, row = data) =>
  column(id).valueFormatter({ value: column(id).valueGetter({ data: row }), data: row });

test("figures are written with one decimal of a cent, sizes with fractions only where there are some", () => {
  assert.deepEqual(
    ["bid", "ask", "spread", "bid_size", "ask_size"].map((id) => shown(id)),
    ["42.0", "44.5", "2.5", "10.50", "1"],
  );
  assert.equal(shown("volume_24h"), "1,235");
});

test("a gain has a plus, a loss a minus, and no figure is made up", () => {
  assert.equal(shown("change"), "-2.0");
  assert.equal(shown("change", { ...data, previous: 4000 }), "+3.0");
  assert.equal(shown("position"), "-2.50");
  const bare = /** @type {any} */ ({ ...data, bid: null, last: null, position: null });
  assert.deepEqual(
    ["bid", "bid_size", "spread", "change", "position"].map((id) => shown(id, bare)),
    ["-", "-", "-", "-", "-"],
  );
});

test("a market with a finer tick shows it", () => {
  assert.equal(shown("bid", { ...data, bid: 4205, step: 5 }), "42.05");
});

test("a row that is still on its way shows no figure", () => {
  assert.equal(column("bid").valueFormatter({ value: null, data: undefined }), "");
});

test("only what the server can sort by is sortable", () => {
  const sortable = columns.filter((one) => one.sortable).map((one) => one.colId);
  assert.deepEqual(sortable.sort(), ["close_ms", "last", "market", "open_interest", "spread", "volume_24h"]);
});

test("a phone keeps what is needed to watch", () => {
  assert.ok([...NARROW].every((id) => column(id)));
});

test("closing times count down and end in a word", () => {
  assert.equal(closesWords(1_000 + 3_600_000, 1_000), "01:00:00");
  assert.equal(closesWords(1_000 + 120 * 86_400_000, 1_000), "120 d");
  assert.equal(closesWords(1_000, 1_000), "closed");
  assert.equal(closesWords(null, 1_000), "-");
});

/** @param {Record<string, string>} kept */
const storage = (kept) => ({
  getItem: (/** @type {string} */ key) => kept[key] ?? null,
  setItem: (/** @type {string} */ key, /** @type {string} */ value) => void (kept[key] = value),
  removeItem: (/** @type {string} */ key) => void delete kept[key],
});

test("columns are remembered per person, without the order of rows", () => {
  const kept = /** @type {Record<string, string>} */ ({});
  createColumnMemory("7", storage(kept)).save([{ colId: "bid", hide: true, width: 80, sort: "asc" }]);
  assert.deepEqual(createColumnMemory("7", storage(kept)).load(), [
    { colId: "bid", hide: true, width: 80, flex: null },
  ]);
  assert.equal(createColumnMemory("8", storage(kept)).load(), null);
  createColumnMemory("7", storage(kept)).forget();
  assert.equal(createColumnMemory("7", storage(kept)).load(), null);
});

test("what is kept is not believed blindly, and a browser that keeps nothing is no error", () => {
  for (const text of ["{", "[]", "[1]", '{"a":1}', '[{"colId":5}]']) {
    assert.equal(createColumnMemory("7", storage({ 7: text })).load(), null);
  }
  const refusing = {
    getItem: () => {
      throw new Error("no");
    },
    setItem: () => {
      throw new Error("no");
    },
    removeItem: () => {
      throw new Error("no");
    },
  };
  const memory = createColumnMemory("7", refusing);
  memory.save([{ colId: "bid" }]);
  memory.forget();
  assert.equal(memory.load(), null);
  assert.equal(createColumnMemory("7", null).load(), null);
});
