/**
 * The page of batches: paste, dry run, an explicit send, and what becomes of each line.
 *
 * Nothing is sent by pasting or checking. A sent batch keeps its keys with the tab: a lost answer, a second click
 * or a reload asks about the same orders and makes no others.
 */
import { formatCount, formatMoney, formatPrice, toUnits } from "../core/fixed.js";
import { ask } from "../frame/ask.js";
import { desk } from "../frame/desk.js";
import { element, setText } from "../frame/dom.js";
import { announce } from "../frame/toasts.js";
import { SIDE_WORDS } from "../market/ticket-model.js";
import { readTableFile } from "./batch-file.js";
import {
  batchParams,
  changesSince,
  goodLines,
  readLine,
  repeats,
  sizeProblem,
  sums,
  withDryRun,
} from "./batch-model.js";
import { parseTable, tableWords } from "./batch-parse.js";
import { orderAddress } from "./columns.js";
import { groupFrom } from "./group-model.js";
import { fromDesk } from "./row-model.js";
import { plural } from "./scope.js";

/** @typedef {import("./batch-model.js").BatchLine} BatchLine */
/** @typedef {{text: string, batchKey: string, keys: Record<number, string>, isSent: boolean, sentMs?: number}} Kept */

const GOOD_FOR_MS = 3_000; // a dry run this young need not be asked for again
const ABSENT_MS = 3_000;
const REMEMBERED_MS = 600_000;
const LIST_ENDS = 500; // of what ended the list holds so many: in a full one the batch may be missing
const MOST_FILE_BYTES = 512 * 1_024;

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='batch']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const button = (/** @type {string} */ name) => /** @type {HTMLButtonElement} */ (find(`[data-batch="${name}"]`));
const { account = "", accountName = "", person = "" } = root.dataset;
const area = /** @type {HTMLTextAreaElement} */ (find("textarea"));
const storageKey = `batch:${person}:${account}`;
const look = { format: desk.data.price_format };

/** @type {BatchLine[]} */
let lines = [];
let checkedText = "";
let checkedAt = 0;
let isBusy = false;
/** The answer was lost, so nobody knows yet whether the batch arrived. */
let isLost = false;
let absentTimer = 0;
/** What was sent, or "" before that. @type {Kept} */
let kept = { text: "", batchKey: crypto.randomUUID(), keys: {}, isSent: false };

function keep() {
  try {
    sessionStorage.setItem(storageKey, JSON.stringify({ ...kept, text: area.value }));
  } catch {
    // A forbidden storage costs the memory over a reload, nothing else.
  }
}

/** @param {string} text @param {string} [tone] */
function say(text, tone = "") {
  const place = find("[data-batch='message']");
  setText(place, text);
  place.dataset["tone"] = tone;
}

/** @param {BatchLine} line */
function keyOf(line) {
  return (kept.keys[line.number] ??= crypto.randomUUID());
}

/* --- dry run ----------------------------------------------------------------------------------- */

function readLines() {
  const table = parseTable(area.value);
  setText(find("[data-batch='how']"), table.problem ? "" : tableWords(table));
  if (table.problem) return { problem: table.problem, read: [] };
  const groups = desk.topics.peek(`groups:${account}`)?.rows.values().map(groupFrom) ?? [];
  const how = { hasDecimalComma: table.hasDecimalComma, zone: desk.data.time_zone, groups };
  return { problem: "", read: table.lines.map((line) => readLine(line, how)) };
}

/** @param {BatchLine[]} read @returns {Promise<BatchLine[] | null>} null: it could not be asked, and that is said */
async function dryRun(read) {
  const asked = read.filter(({ item }) => item !== null);
  if (asked.length === 0) return read;
  const items = asked.map(({ item }) => ({ ...item, account_id: Number(account), subaccount: desk.data.subaccount }));
  const problem = sizeProblem(asked, { items });
  if (problem) {
    say(problem, "bad");
    return null;
  }
  const answer = await desk.socket.command("order.batch_preview", { items });
  if (answer.kind === "ok") return withDryRun(read, answer.value.lines);
  say(answer.text, "bad");
  return null;
}

async function check() {
  if (isBusy || kept.isSent) return;
  const text = area.value;
  const { problem, read } = readLines();
  if (problem) {
    lines = [];
    draw();
    return say(problem, "bad");
  }
  isBusy = true;
  say("Asking what each line would come to. Nothing is sent.");
  lines = read;
  draw();
  const told = await dryRun(read);
  isBusy = false;
  if (told && area.value === text) {
    lines = told;
    checkedText = text;
    checkedAt = performance.now();
    sayResult();
  }
  draw();
}

function sayResult() {
  const good = goodLines(lines).length;
  const bad = lines.length - good;
  if (bad === 0) say(`${plural(good, "line")} can be sent. Nothing was sent yet.`, "good");
  else if (good)
    say(`${plural(bad, "line")} of ${lines.length} cannot be sent, so nothing will be until you say so.`, "bad");
  else say(`None of the ${plural(lines.length, "line")} can be sent.`, "bad");
}

/* --- send --------------------------------------------------------------------------------------- */

/** @param {boolean} isPartly without the lines that cannot be sent */
async function send(isPartly) {
  if (isBusy || kept.isSent || checkedText !== area.value) return;
  const wanted = goodLines(lines);
  if (wanted.length === 0 || (!isPartly && wanted.length !== lines.length)) return;
  if (isPartly && !(await agree(wanted))) return;
  isBusy = true;
  draw();
  if (performance.now() - checkedAt > GOOD_FOR_MS && !(await holdsStill(wanted, isPartly))) {
    isBusy = false;
    return draw();
  }
  const params = batchParams(wanted, {
    account: Number(account),
    subaccount: desk.data.subaccount,
    batchKey: kept.batchKey,
    keyOf,
  });
  const problem = sizeProblem(wanted, params);
  if (problem) {
    isBusy = false;
    say(problem, "bad");
    return draw();
  }
  lines = isPartly ? lines.map((line) => (wanted.includes(line) ? line : { ...line, told: null })) : lines;
  kept = { ...kept, isSent: true, sentMs: Date.now() };
  keep();
  const answer = await desk.socket.command("order.batch", params);
  isBusy = false;
  if (answer.kind === "error") {
    kept = { ...kept, isSent: false };
    keep();
    refused(wanted, answer);
  } else if (answer.kind === "unknown") {
    isLost = true;
    say("The answer was lost. What arrived shows below, line by line; nothing is sent again.", "unknown");
    awaitArrival();
  } else {
    say(`${plural(wanted.length, "order")} recorded. What becomes of each shows below.`, "good");
    announce(`${plural(wanted.length, "order")} recorded.`);
  }
  draw();
}

/**
 * A batch arrives whole or not at all. Once its rows are there it did; when the list is fresh for a while and holds none
 * of them, it did not, and the table is free again. Its keys stay: should it come late, the same lines are the same orders.
 */
function awaitArrival() {
  if (!isLost) return;
  const rows = liveRows();
  const isHere = Object.values(kept.keys).some((key) => rows.has(key));
  const isFresh = desk.topics.peek(`orders:${account}`)?.isFresh ?? false;
  if (isHere || !isFresh) {
    clearTimeout(absentTimer);
    absentTimer = 0;
  }
  if (isHere) {
    isLost = false;
    say("The batch arrived. What becomes of each line shows below.", "good");
  } else if (isFresh && !absentTimer && rows.size < LIST_ENDS) {
    absentTimer = window.setTimeout(() => {
      absentTimer = 0;
      isLost = false;
      kept = { ...kept, isSent: false };
      keep();
      lines = [];
      checkedText = "";
      say(
        "The batch never reached the desk: nothing was sent. Check it again; sent again, each line stays one order.",
        "unknown",
      );
      draw();
    }, ABSENT_MS);
  }
}

/** @param {BatchLine[]} wanted */
function agree(wanted) {
  const left = lines.filter((line) => !wanted.includes(line));
  return ask({
    title: `Send ${wanted.length} of ${lines.length} lines?`,
    text: `In the account ${accountName}. These lines are left out:`,
    lines: left
      .slice(0, 12)
      .map((line) => `line ${line.number}: ${line.faults[0]?.text ?? ""}`)
      .concat(left.length > 12 ? [`and ${left.length - 12} more`] : []),
    yes: `Send the ${wanted.length} good lines`,
    no: "Send nothing",
  });
}

/** Ask once more, because the dry run is old: true when it still says what is shown. @param {BatchLine[]} wanted @param {boolean} isPartly */
async function holdsStill(wanted, isPartly) {
  const asked = isPartly ? wanted : lines;
  const fresh = await dryRun(asked.map((line) => ({ ...line, faults: [], told: null })));
  if (!fresh) return false;
  const changes = changesSince(asked, fresh);
  checkedAt = performance.now();
  if (changes.length === 0) return true;
  lines = lines.map((line) => fresh.find(({ number }) => number === line.number) ?? line);
  say(
    `Not sent. Since it was shown: ${changes.slice(0, 5).join("; ")}. Send again if that is what you want.`,
    "unknown",
  );
  return false;
}

/** Nothing was stored: each line says what is wrong with it. @param {BatchLine[]} wanted @param {{text: string, fields: Record<string, string>}} answer */
function refused(wanted, answer) {
  const faults = new Map(Object.entries(answer.fields).map(([at, text]) => [wanted[Number(at) - 1]?.number, text]));
  lines = lines.map((line) => {
    const text = faults.get(line.number);
    return text ? { ...line, faults: [{ field: "order", text }] } : line;
  });
  say(`Nothing was sent. ${answer.text}`, "bad");
}

/* --- drawing ------------------------------------------------------------------------------------- */

/** Live rows of what was sent, by key of the line. */
function liveRows() {
  const rows = desk.topics.peek(`orders:${account}`)?.rows.values() ?? [];
  return new Map(rows.map((row) => [row["idempotency_key"], row]));
}

function draw() {
  const good = goodLines(lines).length;
  const isCurrent = lines.length > 0 && checkedText === area.value;
  area.readOnly = kept.isSent;
  button("check").hidden = kept.isSent;
  button("check").disabled = isBusy || !area.value.trim();
  const all = button("send");
  all.hidden = kept.isSent;
  all.disabled = isBusy || !isCurrent || good === 0 || good < lines.length;
  setText(all, good && good === lines.length ? `Send all ${plural(good, "order")}` : "Send all");
  const some = button("send-good");
  some.hidden = kept.isSent || !isCurrent || good === 0 || good === lines.length;
  some.disabled = isBusy;
  setText(some, `Send the ${plural(good, "good line")}`);
  button("new").hidden = !kept.isSent;
  find(".batch__file").hidden = kept.isSent;
  const table = find("[data-batch='lines']");
  table.hidden = lines.length === 0;
  const rows = kept.isSent ? liveRows() : new Map();
  const twice = kept.isSent ? new Map() : repeats(lines);
  find("tbody").replaceChildren(
    ...lines.map((line) => lineNode(line, rows.get(kept.keys[line.number] ?? ""), twice.get(line.number))),
  );
  const total = sums(lines);
  const worst = formatMoney(total.worst);
  setText(
    find("[data-batch='sums']"),
    isCurrent && good
      ? `${plural(good, "order")}: cost ${formatMoney(total.cost)}, fees at most ${formatMoney(total.fee)}, worst case ${worst}.`
      : "",
  );
  table.toggleAttribute("data-old", !isCurrent && !kept.isSent);
}

/** @param {BatchLine} line @param {Record<string, any> | undefined} row @param {number} [same] an earlier line that says the same */
function lineNode(line, row, same) {
  const { item, told } = line;
  const cell = (/** @type {string} */ text, css = "", label = "") =>
    element("td", { class: css, text, attributes: label ? { "data-label": label } : {} });
  const money = (/** @type {string | null | undefined} */ raw) => (raw ? formatMoney(toUnits(raw, 6)) : "-");
  const price = item ? toUnits(item["price"], 4) : 0;
  const typed = (/** @type {string[]} */ ...names) => names.map((name) => line.cells[name]).find(Boolean) ?? "";
  const terms = item
    ? [
        item["time_in_force"] === "immediate_or_cancel"
          ? "IOC"
          : item["time_in_force"] === "fill_or_kill"
            ? "FOK"
            : item["expires_at"]
              ? "expires"
              : "GTC",
      ]
        .concat(
          item["post_only"] ? ["post-only"] : [],
          item["reduce_only"] ? ["reduce"] : [],
          item["order_group_id"] ? ["group"] : [],
        )
        .join(", ")
    : typed("terms");
  const node = element("tr", {
    attributes: { "data-line": String(line.number), ...(line.faults.length && !row ? { "data-wrong": "" } : {}) },
  });
  node.append(
    element("th", { class: "num", text: String(line.number), attributes: { scope: "row" } }),
    cell(item?.["ticker"] ?? typed("ticker"), "table__text", "Market"),
    cell(
      item ? (SIDE_WORDS[/** @type {keyof typeof SIDE_WORDS} */ (item["side"])] ?? "") : typed("side", "outcome"),
      "",
      "Side",
    ),
    cell(
      item
        ? formatPrice(price, { ...look, step: price % 100 ? (price % 10 ? 1 : 10) : 100 })
        : typed("price", "price_cents", "price_dollars"),
      "num",
      "Price",
    ),
    cell(item ? formatCount(toUnits(item["count"], 2)) : typed("count"), "num", "Contracts"),
    cell(terms, "", "Terms"),
    cell(money(told?.cost), "num", "Cost"),
    cell(money(told?.fee), "num", "Fee at most"),
    outcome(line, row, same),
  );
  return node;
}

/**
 * What is wrong with a line, or what has become of it.
 * @param {BatchLine} line @param {Record<string, any> | undefined} row @param {number} [same]
 */
function outcome(line, row, same) {
  const node = element("td", { class: "batch__outcome", attributes: { "data-label": "Result" } });
  if (row) {
    const shown = fromDesk(row, {});
    const filled = shown.filled ? ` ${formatCount(shown.filled)} filled` : "";
    node.append(
      element("span", { class: `badge badge--${shown.tone}`, text: shown.stateText }),
      element("a", { class: "link", text: `order${filled}`, attributes: { href: orderAddress(shown.key) } }),
    );
    if (shown.reason) node.append(element("span", { text: shown.reason }));
  } else if (line.faults.length) {
    for (const { field, text } of line.faults)
      node.append(
        element("span", { class: "batch__fault" }, [
          element("strong", { text: `${field.replaceAll("_", " ")}: ` }),
          text,
        ]),
      );
  } else if (kept.isSent && line.told)
    node.append(
      element("span", { class: "muted", text: isLost ? "not confirmed, checking" : "recorded, waiting for its state" }),
    );
  else if (kept.isSent) node.append(element("span", { class: "muted", text: "left out, not sent" }));
  else if (line.told) node.append(element("span", { class: "badge badge--ok", text: "can be sent" }));
  else node.append(element("span", { class: "muted", text: "not checked yet" }));
  if (same && !line.faults.length) node.append(element("span", { class: "batch__same", text: `same as line ${same}` }));
  return node;
}

/* --- controls ------------------------------------------------------------------------------------ */

function startAnew() {
  kept = { text: "", batchKey: crypto.randomUUID(), keys: {}, isSent: false };
  area.value = "";
  lines = [];
  checkedText = "";
  keep();
  say("");
  setText(find("[data-batch='how']"), "");
  draw();
  area.focus();
}

area.addEventListener("input", () => {
  // Another text is another batch: its lines get keys of their own.
  kept = { ...kept, batchKey: crypto.randomUUID(), keys: {} };
  if (lines.length) say("The table was changed. Check it again.");
  keep();
  draw();
});
area.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    void check();
  }
});
find("[data-batch='file']").addEventListener("change", async (event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  const file = input.files?.[0];
  if (!file || kept.isSent) return;
  if (file.size > MOST_FILE_BYTES) return say(`${file.name} is too large: at most 512 KiB.`, "bad");
  const read = await file.arrayBuffer().then(readTableFile, () => ({ error: "cannot be read. Open it again." }));
  input.value = ""; // the same file again is a change, too
  if ("error" in read) return say(`${file.name} ${read.error}`, "bad");
  area.value = read.text;
  area.dispatchEvent(new Event("input"));
  await check();
});
button("check").addEventListener("click", () => void check());
button("send").addEventListener("click", () => void send(false));
button("send-good").addEventListener("click", () => void send(true));
button("new").addEventListener("click", startAnew);

/* --- start --------------------------------------------------------------------------------------- */

function restore() {
  try {
    const found = JSON.parse(sessionStorage.getItem(storageKey) ?? "null");
    if (typeof found?.text !== "string" || typeof found.batchKey !== "string") return;
    const { text, batchKey, keys = {}, isSent, sentMs = 0 } = found;
    kept = { text, batchKey, keys, isSent: isSent === true, sentMs };
    area.value = found.text;
  } catch {
    return;
  }
  if (!kept.isSent) return;
  lines = readLines().read.map((line) => ({
    ...line,
    told: kept.keys[line.number] ? { cost: null, fee: null, worst_case: null } : null,
  }));
  isLost = Date.now() - (kept.sentMs ?? 0) < REMEMBERED_MS;
  say("This batch was sent before the page was loaded. What became of each line shows below.", "unknown");
}

desk.topics.watch(`groups:${account}`, () => {});
desk.topics.watch(`orders:${account}`, () => {
  if (!kept.isSent) return;
  awaitArrival();
  draw();
});
desk.socket.onLink((link) => {
  root.dataset["link"] = link.state;
});
restore();
draw();
