import assert from "node:assert/strict";
import { test } from "node:test";

import { withStepUp } from "../../../static/js/core/step-up.js";

const ASKS = { kind: "error", code: "ask_again", text: "This comes to $500.", fields: {} };
const DONE = { kind: "ok", value: { intent: 1 } };

/** @param {any[]} answers */
function desk(answers) {
  /** @type {any[]} */
  const sent = [];
  return {
    sent,
    /** @type {import("../../../static/js/core/step-up.js").Send} */
    send: async (name, params) => {
      sent.push([name, params]);
      return answers.shift();
    },
  };
}

test("what needs no proof goes through as it is", async () => {
  for (const answer of [DONE, { kind: "unknown", text: "" }, { ...ASKS, code: "off_grid" }]) {
    const { sent, send } = desk([answer]);
    const command = withStepUp(send, () => Promise.reject(new Error("nobody is asked")));

    assert.equal(await command("order.place", {}), answer);
    assert.equal(sent.length, 1);
  }
});

test("after the proof the same command goes once more, with the same key", async () => {
  const { sent, send } = desk([ASKS, DONE]);
  /** @type {string[]} */
  const asked = [];
  const command = withStepUp(send, async (text) => asked.push(text) > 0);

  assert.equal(await command("order.place", { idempotency_key: "k" }), DONE);
  assert.deepEqual(asked, ["This comes to $500."]);
  assert.deepEqual(sent, [
    ["order.place", { idempotency_key: "k" }],
    ["order.place", { idempotency_key: "k" }],
  ]);
});

test("who does not want to is told that nothing was sent", async () => {
  const { sent, send } = desk([ASKS]);

  const outcome = await withStepUp(send, async () => false)("order.place", {});

  assert.equal(outcome.kind, "error");
  assert.match(outcome.kind === "error" ? outcome.text : "", /^Not sent/);
  assert.equal(sent.length, 1);
});

test("two commands at once ask once, and a proof that does not count asks no third time", async () => {
  const { sent, send } = desk([ASKS, ASKS, ASKS, DONE]);
  let asked = 0;
  const command = withStepUp(send, async () => (asked += 1) > 0);

  const outcomes = await Promise.all([command("order.place", { n: 1 }), command("order.place", { n: 2 })]);

  assert.equal(asked, 1);
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ["error", "ok"],
  );
  assert.equal(sent.length, 4);
});
