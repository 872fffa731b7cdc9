import assert from "node:assert/strict";
import { test } from "node:test";
import { createTopics } from "../../../static/js/core/topics.js";

/** A socket whose frames the test sends. */
function fakeSocket() {
  /** @type {Map<string, (frame: any) => void>} */
  const listeners = new Map();
  const socket = {
    subscribe(/** @type {string} */ topic, /** @type {(frame: any) => void} */ listener) {
      listeners.set(topic, listener);
      return () => listeners.delete(topic);
    },
    onLink: () => () => true,
  };
  return {
    topics: createTopics(/** @type {any} */ (socket)),
    send: (/** @type {string} */ topic, /** @type {number} */ v, /** @type {any} */ d) =>
      listeners.get(topic)?.({ topic, v, d }),
  };
}

test("a whole frame that lists rows is kept whole; rows by key are merged", () => {
  const { topics, send } = fakeSocket();
  topics.watch("incoming:1:0", () => {});
  topics.watch("quotes:1", () => {});
  send("incoming:1:0", 2, { rows: [{ rfq_id: "a" }], hidden: 3 });
  send("incoming:1:0", 1, { rows: [], hidden: 0 }); // older: not shown
  send("quotes:1", 1, { all: true, rows: { "quote:1": { v: 1 } } });
  send("quotes:1", 2, { rows: { "quote:2": { v: 1 } } });
  assert.deepEqual(topics.peek("incoming:1:0")?.value, { rows: [{ rfq_id: "a" }], hidden: 3 });
  assert.deepEqual(topics.peek("quotes:1")?.rows.keys(), ["quote:1", "quote:2"]);
  assert.equal(topics.peek("quotes:1")?.value, null);
});
