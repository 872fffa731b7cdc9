import assert from "node:assert/strict";
import { test } from "node:test";

import {
  answerOf,
  bytesOf,
  creationOptions,
  faultWords,
  requestOptions,
  textOf,
} from "../../../static/js/account/passkey-model.js";

/** @param {number[]} bytes */
const buffer = (...bytes) => Uint8Array.from(bytes).buffer;

test("bytes go through text and back, with the letters of addresses and without padding", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  const text = textOf(bytes.buffer);

  assert.match(text, /^[A-Za-z0-9_-]+$/);
  assert.deepEqual(bytesOf(text), bytes);
  assert.equal(textOf(buffer(251, 255)), "-_8");
  assert.deepEqual([...bytesOf("-_8")], [251, 255]);
});

test("a new passkey asks for verification whatever the page says", () => {
  const options = creationOptions({
    publicKey: {
      challenge: "AQI",
      rp: { id: "localhost", name: "Kalshi Desk" },
      user: { id: "Aw", name: "ann", displayName: "Ann" },
      excludeCredentials: [{ type: "public-key", id: "BA" }],
      authenticatorSelection: { residentKey: "discouraged", userVerification: "discouraged" },
    },
  });

  assert.deepEqual([...options.challenge], [1, 2]);
  assert.deepEqual([...options.user.id], [3]);
  assert.deepEqual([...options.excludeCredentials[0].id], [4]);
  assert.equal(options.user.name, "ann");
  assert.equal(options.authenticatorSelection.userVerification, "required");
  assert.equal(options.authenticatorSelection.residentKey, "preferred");
});

test("a request without a list of passkeys lets the person choose", () => {
  const options = requestOptions({ publicKey: { challenge: "AQI", rpId: "localhost" } });

  assert.deepEqual(options.allowCredentials, []);
  assert.equal(options.rpId, "localhost");
});

test("an answer holds what the browser gave and nothing that it did not", () => {
  const answer = answerOf({
    id: "BA",
    rawId: buffer(4),
    type: "public-key",
    response: {
      clientDataJSON: buffer(1),
      authenticatorData: buffer(2),
      signature: buffer(3),
      userHandle: null,
    },
    getClientExtensionResults: () => ({ credProps: { rk: true } }),
  });

  assert.deepEqual(answer.response, { clientDataJSON: "AQ", authenticatorData: "Ag", signature: "Aw" });
  assert.equal(answer.rawId, "BA");
  assert.deepEqual(answer.clientExtensionResults, { credProps: { rk: true } });
});

test("a fault is told in words for people", () => {
  assert.match(faultWords(Object.assign(new Error("x"), { name: "InvalidStateError" })), /already/);
  assert.match(faultWords(Object.assign(new Error("x"), { name: "NotAllowedError" })), /Try again/);
  assert.match(faultWords(undefined), /could not be used/);
});
