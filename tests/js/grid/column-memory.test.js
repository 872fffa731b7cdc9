import assert from "node:assert/strict";
import { test } from "node:test";
import { createColumnMemory } from "../../../static/js/grid/column-memory.js";

function fakeStorage() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    kept,
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
    removeItem: (/** @type {string} */ key) => void kept.delete(key),
  };
}
const STATE = [{ colId: "price", width: 80, hide: false, flex: null, sort: "asc", pinned: "left" }];

test("columns are kept under their own key, with the sorting only where the grid sorts", () => {
  const storage = fakeStorage();
  const sorted = createColumnMemory("orders:7", storage, { withSort: true });
  const plain = createColumnMemory("markets:7", storage);
  sorted.save(STATE);
  plain.save(STATE);
  assert.equal(sorted.load()?.[0]?.["sort"], "asc");
  assert.equal(plain.load()?.[0]?.["sort"], undefined);
  assert.equal(plain.load()?.[0]?.["pinned"], undefined);
  sorted.forget();
  assert.equal(sorted.load(), null);
  assert.equal(plain.load()?.length, 1);
});

test("what is not a column state counts as nothing kept", () => {
  const storage = fakeStorage();
  for (const text of ["", "null", "[]", "{}", "[1]", "not json"]) {
    storage.kept.set("k", text);
    assert.equal(createColumnMemory("k", storage).load(), null, text);
  }
});

test("a browser without storage, or with a full one, costs only the memory", () => {
  const full = { ...fakeStorage(), setItem: () => assert.fail("quota") };
  createColumnMemory("k", full).save(STATE);
  const none = createColumnMemory("k", null);
  none.save(STATE);
  none.forget();
  assert.equal(none.load(), null);
});
