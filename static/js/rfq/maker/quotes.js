/** The tab of our own quotes: what may still be accepted, how far it is from fair value, and the ways to be rid of it. */
import { ask } from "../../frame/ask.js";
import { desk } from "../../frame/desk.js";
import { setText } from "../../frame/dom.js";
import { toast, toastOutcome } from "../../frame/toasts.js";
import { priceUnits } from "../confirm/words.js";
import { canPull, cells, distance, isLive, ordered, scopeLines, scopeWords } from "./quotes-model.js";
import { createTable, deedButton, watchHold } from "./table.js";

/** @typedef {import("./quotes-model.js").Row} Row */

const COLUMNS = [
  { id: "age", title: "Age", css: "maker__age" },
  { id: "market", title: "Market or legs", css: "maker__market" },
  { id: "size", title: "Size", isNumber: true },
  { id: "yes", title: "YES bid", css: "is-bid", isNumber: true },
  { id: "no", title: "NO bid", css: "is-ask", isNumber: true },
  { id: "distance", title: "To fair now", isNumber: true },
  { id: "policy", title: "If accepted" },
  { id: "left", title: "Pulled in", isNumber: true },
  { id: "by", title: "By" },
  { id: "state", title: "State", css: "maker__state" },
  { id: "deeds", title: "", css: "maker__deed" },
];

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} tools
 * @param {object} options
 * @param {string} options.account
 * @param {string} options.accountName
 * @param {string} options.environment
 * @param {{has(name: string): boolean}} options.offers
 * @param {(quote: string) => string | null} options.fairOf fair value now, from the stream
 * @param {(row: Row) => void} options.onQuote
 * @param {(count: number) => void} options.onCount
 * @param {ReturnType<typeof import("./quote-team.js").createQuoteTeam> | null} options.team
 */
export function createQuotes(panel, tools, options) {
  const { account, accountName, environment, offers, fairOf, onQuote, onCount, team } = options;
  const topic = `quotes:${account}`;
  const withEnded = /** @type {HTMLInputElement} */ (tools.querySelector("[data-with-ended]"));
  const pullAllButton = /** @type {HTMLButtonElement | null} */ (tools.querySelector("[data-pull-all]"));
  const wrap = /** @type {HTMLElement} */ (panel.querySelector("[data-wrap]"));
  const mayPull = offers.has("quote.pull");
  const mayQuote = offers.has("quote.send");
  let isShown = false;
  /** @type {string[]} */
  let order = [];
  /** Pulls on their way. @type {Set<string>} */
  const pulling = new Set();
  const columns = mayPull || mayQuote || team ? COLUMNS : COLUMNS.slice(0, -1);
  const table = createTable(/** @type {HTMLTableElement} */ (panel.querySelector("[data-table]")), {
    columns,
    label: "Our quotes: accepted ones first, then open ones, newest first",
    onDeed(key, deed) {
      const row = rowOf(key);
      if (!row) return;
      if (deed === "pull") void pull(row);
      if (deed === "quote") onQuote(row);
      if (deed === "team")
        team?.open(row, cells(row, { now: desk.clock.now(), format: desk.data.price_format, fair: null }).market);
    },
  });
  const hold = watchHold(wrap, () => draw());
  const rows = () => desk.topics.peek(topic)?.rows.values() ?? [];
  const rowOf = (/** @type {string} */ key) => desk.topics.peek(topic)?.rows.get(key);
  desk.topics.watch(`tickers:${environment}`, () => {});

  /** Fair value now: of the stream, else the middle of the book, else what it was when we quoted. @param {Row} row */
  function fairNow(row) {
    const told = priceUnits(fairOf(row["key"]));
    if (told !== null) return { fair: told, source: "our fair value now" };
    const ticker = desk.topics.peek(`tickers:${environment}`)?.rows.get(row["ticker"]);
    const [bid, ask] = [priceUnits(ticker?.["bid"]), priceUnits(ticker?.["ask"])];
    if (bid && ask) return { fair: Math.round((bid + ask) / 2), source: "the middle of the book now" };
    const then = priceUnits(row["fair"]);
    return { fair: then, source: then === null ? "no fair value" : "our fair value when it was sent" };
  }

  function draw() {
    const all = rows();
    const open = all.filter(isLive);
    onCount(open.length);
    if (pullAllButton) {
      pullAllButton.disabled = !all.some(canPull);
      setText(pullAllButton, all.some(canPull) ? `Pull all: ${scopeWords(all)}` : "Pull all");
    }
    if (!isShown) return;
    let listed = ordered(all, withEnded.checked);
    if (hold.isHeld()) {
      // Nobody moves under the pointer; what is new comes below what is there.
      const known = new Set(order);
      const kept = order.map(rowOf).filter((row) => row !== undefined);
      listed = [...kept, ...listed.filter((row) => !known.has(row["key"]))];
    }
    order = listed.map((row) => row["key"]);
    const now = desk.clock.now();
    table.show(
      listed.map((row) => {
        const { fair, source } = fairNow(row);
        const text = cells(row, { now, format: desk.data.price_format, fair });
        const far = distance(row, fair);
        const live = isLive(row);
        const said = team?.count(row["key"]) ?? 0;
        const isPullable = canPull(row) && !pulling.has(row["key"]);
        return {
          key: row["key"],
          tone: live ? "" : ["accepted", "confirmed"].includes(row["state"]) ? "quoted" : "ended",
          cells: {
            age: { text: text.age, title: live ? "Open for" : "Ended ago" },
            market: { text: text.market, title: row["ticker"] },
            size: { text: text.size },
            yes: { text: text.yes },
            no: { text: text.no },
            distance: {
              text: text.distance,
              title: `YES / NO against ${source}, cents`,
              tone: live && far.isBad ? "danger" : "",
            },
            policy: { text: text.policy },
            left: { text: text.left },
            by: { text: text.by },
            state: {
              text: text.verified ? `${text.state} · ${text.verified}` : text.state,
              title: text.state,
              tone: row["error"] ? "danger" : "",
            },
            deeds: {
              text: "",
              nodesKey: `${isPullable}:${live}:${said}`,
              nodes: () => [
                ...(mayQuote && live ? [deedButton("quote", "Re-quote", { label: `Re-quote ${text.market}` })] : []),
                ...(mayPull && isPullable
                  ? [deedButton("pull", "Pull", { css: "button--danger", label: `Pull the quote on ${text.market}` })]
                  : []),
                ...(team
                  ? [
                      deedButton("team", said ? `Team ${said}` : "Team", {
                        label: `Team on the quote on ${text.market}`,
                      }),
                    ]
                  : []),
              ],
            },
          },
        };
      }),
    );
    wrap.hidden = listed.length === 0;
    /** @type {HTMLElement} */ (panel.querySelector("[data-empty]")).hidden = listed.length > 0;
    panel.dataset["feed"] = desk.topics.peek(topic)?.isFresh ? "live" : "stale";
  }

  /** @param {Row} row */
  async function pull(row) {
    const key = row["key"];
    if (pulling.has(key) || !canPull(row)) return;
    pulling.add(key);
    draw();
    const answer = await desk.socket.command("quote.pull", { quote: key });
    pulling.delete(key);
    if (answer.kind === "ok") desk.topics.peek(topic)?.rows.upsert(key, answer.value["quote"]);
    else toastOutcome(answer, "");
    draw();
  }

  async function pullAll() {
    if (!rows().some(canPull)) return toast({ title: "There is no open quote to pull" });
    const isSure = await ask({
      title: "Pull all quotes",
      text: `Of the account ${accountName}, of everybody and every rule: ${scopeWords(rows())}. What was accepted already stays accepted.`,
      lines: scopeLines(rows()),
      yes: `Pull ${scopeWords(rows())}`,
      isDanger: true,
    });
    if (!isSure) return undefined;
    const answer = await desk.socket.command("quote.pull_all", {});
    if (answer.kind === "ok") {
      const count = answer.value["pulled"].length;
      toast({
        title: `Pulling ${count} quote${count === 1 ? "" : "s"}`,
        text: "Each is repeated until it is gone; the list shows it.",
        level: "ok",
      });
    } else toastOutcome(answer, "");
    return undefined;
  }

  // Last of all: what is known already is told at once.
  desk.topics.watch(topic, () => draw());
  withEnded.addEventListener("change", draw);
  pullAllButton?.addEventListener("click", () => void pullAll());
  if (pullAllButton)
    desk.keys.register({
      keys: "Shift+Escape",
      label: "Pull all quotes of the account (asks first)",
      group: "Quoting",
      whileTyping: true,
      isSingle: true,
      run: () => void pullAll(),
    });
  setInterval(() => {
    if (!document.hidden) draw();
  }, 1_000);

  return {
    show() {
      isShown = true;
      draw();
    },
    hide() {
      isShown = false;
    },
    /** Our newest quote on a request that can still be accepted. @param {string} rfqId */
    openOn: (rfqId) =>
      rows()
        .filter((row) => row["rfq_id"] === rfqId && isLive(row))
        .toSorted((one, other) => other["created_ms"] - one["created_ms"])[0],
    rows,
  };
}
