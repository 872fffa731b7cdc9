import assert from "node:assert/strict";
import { test } from "node:test";
import { createKept } from "../../../static/js/grid/kept.js";
import { MOST_SAVED, readSaved, withSaved } from "../../../static/js/grid/saved-model.js";

function fakes() {
  /** @type {Map<string, string>} */
  const stored = new Map();
  /** @type {[string, string][]} */
  const sent = [];
  /** @type {(() => void) | null} */
  let due = null;
  return {
    stored,
    sent,
    answer: true,
    storage: {
      getItem: (/** @type {string} */ key) => stored.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ text) => void stored.set(key, text),
      removeItem: (/** @type {string} */ key) => void stored.delete(key),
    },
    timers: {
      set: (/** @type {() => void} */ run) => (due = run),
      clear: () => (due = null),
    },
    run: () => due?.(),
    /** @param {Record<string, any>} told */
    kept(told) {
      const save = async (/** @type {string} */ key, /** @type {string} */ text) => {
        sent.push([key, text]);
        return this.answer;
      };
      return createKept({ told, person: "7", storage: this.storage, save, timers: this.timers });
    },
  };
}
const settled = () => new Promise((done) => setImmediate(done));

test("what the desk keeps counts, whatever else this browser held", () => {
  const { kept } = fakes();
  assert.equal(kept.call(fakes(), { "orders.group": "market" }).getItem("orders.group"), '"market"');
  assert.equal(kept.call(fakes(), {}).getItem("orders.group"), null);
});

test("a burst of changes goes once, and only what has not arrived stays in this browser", async () => {
  const fake = fakes();
  const kept = fake.kept({});
  kept.setItem("a", "1");
  kept.setItem("a", "2");
  kept.setItem("a", "2");
  assert.equal(kept.getItem("a"), "2");
  assert.equal(fake.stored.size, 1);
  fake.run();
  await settled();
  assert.deepEqual(fake.sent, [["a", "2"]]);
  assert.equal(fake.stored.size, 0);
});

test("what did not reach the desk is shown and sent by the next page", async () => {
  const fake = fakes();
  fake.answer = false;
  fake.kept({ a: 1 }).setItem("a", "5");
  fake.run();
  await settled();
  fake.answer = true;
  const next = fake.kept({ a: 1 });
  assert.equal(next.getItem("a"), "5");
  fake.run();
  await settled();
  assert.deepEqual(fake.sent.at(-1), ["a", "5"]);
  assert.equal(fake.stored.size, 0);
});

test("what is taken away is gone at once and at the desk", async () => {
  const fake = fakes();
  const kept = fake.kept({ a: 1 });
  kept.removeItem("a");
  assert.equal(kept.getItem("a"), null);
  await kept.flush();
  assert.deepEqual(fake.sent, [["a", ""]]);
});

test("saved filters are read with care, replaced by name and kept in order", () => {
  assert.deepEqual(readSaved("{"), []);
  assert.deepEqual(readSaved('[{"name":"a","search":"?q=1","more":1},{"name":2}]'), [{ name: "a", search: "?q=1" }]);
  assert.equal(readSaved(JSON.stringify(Array(50).fill({ name: "a", search: "" }))).length, MOST_SAVED);
  const two = withSaved(withSaved([], { name: "b", search: "?1" }), { name: "A", search: "?2" });
  assert.deepEqual(
    two.map(({ name }) => name),
    ["A", "b"],
  );
  assert.deepEqual(withSaved(two, { name: "B", search: "?3" }).at(-1), { name: "B", search: "?3" });
});
