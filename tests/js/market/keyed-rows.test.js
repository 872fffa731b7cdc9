import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { createKeyedRows } from "../../../static/js/market/keyed-rows.js";

/** As much of an element as rows need. Counts what is moved or put in. */
class Line {
  /** @param {string} text @param {Body} body */
  constructor(text, body) {
    this.text = text;
    this.body = body;
    this.button = { focus: () => (focused = this.button) };
  }

  /** @returns {Line | null} */
  get nextElementSibling() {
    return this.body.lines[this.body.lines.indexOf(this) + 1] ?? null;
  }

  /** @param {unknown} element */
  contains(element) {
    return element === this.button;
  }

  querySelector() {
    return this.button;
  }

  remove() {
    this.body.lines = this.body.lines.filter((line) => line !== this);
  }

  /** @param {Line} other */
  replaceWith(other) {
    if (focused === this.button) focused = null;
    this.body.lines = this.body.lines.map((line) => (line === this ? other : line));
  }
}

class Body {
  /** @type {Line[]} */
  lines = [];
  moves = 0;

  get firstElementChild() {
    return this.lines[0] ?? null;
  }

  /** @param {Line} line @param {Line | null} before */
  insertBefore(line, before) {
    this.moves += 1;
    line.remove();
    this.lines.splice(before ? this.lines.indexOf(before) : this.lines.length, 0, line);
  }

  replaceChildren() {
    this.lines = [];
  }
}

/** @type {unknown} */
let focused = null;
let body = new Body();
/** @type {string[]} */
let made = [];
/** @type {ReturnType<typeof createKeyedRows>} */
let keyed;

beforeEach(() => {
  body = new Body();
  focused = null;
  made = [];
  globalThis.document = /** @type {any} */ ({
    get activeElement() {
      return focused;
    },
  });
  keyed = createKeyedRows(/** @type {any} */ (body));
});

/** @param {{key: string, text: string}[]} rows */
function show(...rows) {
  keyed.show(
    rows.map((row) => ({
      key: row.key,
      of: row,
      make: () => {
        made.push(row.text);
        return /** @type {any} */ (new Line(row.text, body));
      },
    })),
  );
}

const texts = () => body.lines.map((line) => line.text);
const [a, b, c] = [
  { key: "a", text: "a" },
  { key: "b", text: "b" },
  { key: "c", text: "c" },
];

test("a new row at the top leaves the others as they are", () => {
  show(b, c);
  const before = [...body.lines];
  made = [];
  body.moves = 0;

  show(a, b, c);

  assert.deepEqual([texts(), made, body.moves], [["a", "b", "c"], ["a"], 1]);
  assert.deepEqual(body.lines.slice(1), before);
});

test("a row that changed is made again in its place and keeps the focus of its control", () => {
  show(a, b, c);
  const [first, second, third] = body.lines;
  focused = second?.button;
  body.moves = 0;

  show(a, { key: "b", text: "b2" }, c);

  assert.deepEqual([texts(), body.moves], [["a", "b2", "c"], 0]);
  assert.equal(focused, body.lines[1]?.button);
  assert.deepEqual([body.lines[0], body.lines[2]], [first, third]);
});

test("rows that are gone leave without moving the rest, and an order can change", () => {
  show(a, b, c);
  body.moves = 0;
  show(b, c);
  assert.deepEqual([texts(), body.moves], [["b", "c"], 0]);
  show(c, b, a);
  assert.deepEqual(texts(), ["c", "b", "a"]);
});

test("after forget every row is made anew", () => {
  show(a, b);
  keyed.forget();
  assert.deepEqual(texts(), []);
  made = [];
  show(a, b);
  assert.deepEqual(
    [texts(), made],
    [
      ["a", "b"],
      ["a", "b"],
    ],
  );
});
