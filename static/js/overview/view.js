/** Puts the lists of the Overview into the page; each is drawn anew only when what it says has changed. */
import { formatAge } from "../core/age.js";
import { formatMoney } from "../core/fixed.js";
import { element, setText } from "../frame/dom.js";

/** @typedef {Record<string, any>} Row */
/** @typedef {import("../portfolio/row-model.js").GroupRow} GroupRow */

const EVENTS_SHOWN = 8;
const ORDERS_SHOWN = 8;
const REQUESTS_SHOWN = 5;

const signed = (/** @type {number | null} */ units) => (units === null ? "-" : formatMoney(units, { signed: true }));
const tone = (/** @type {number | null} */ units) =>
  (units ?? 0) > 0 ? "num gain" : (units ?? 0) < 0 ? "num loss" : "num";

/**
 * @param {Element} root
 * @param {string} name of the place: data-list
 * @param {unknown} told what decides its content
 * @param {() => (Node | string)[]} build
 */
function fill(root, name, told, build) {
  const place = /** @type {HTMLElement | null} */ (root.querySelector(`[data-list="${name}"]`));
  if (!place) return;
  const text = JSON.stringify(told);
  if (place.dataset["told"] === text) return;
  place.dataset["told"] = text;
  const focused = place.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
  place.replaceChildren(...build());
  if (focused) /** @type {HTMLElement | null} */ (place.querySelector(`[href="${CSS.escape(focused)}"]`))?.focus();
}

/** @param {string} title @param {string} text */
const nothing = (title, text) =>
  element("div", { class: "overview__nothing" }, [
    element("p", { class: "overview__nothing-title", text: title }),
    element("p", { text }),
  ]);
const reading = () => nothing("Reading", "The desk has not answered yet.");

const IN_WORDS = new Set(["Side", "State"]);

/** @param {string} label @param {string[]} heads the first is text, most others figures @param {HTMLElement[]} rows */
const table = (label, heads, rows) =>
  element("table", { class: "table overview__table", attributes: { "aria-label": label } }, [
    element("thead", {}, [
      element(
        "tr",
        {},
        heads.map((text, at) =>
          element("th", { text, class: at && !IN_WORDS.has(text) ? "num" : "", attributes: { scope: "col" } }),
        ),
      ),
    ]),
    element("tbody", {}, rows),
  ]);

/** @param {string} text @param {string} href */
const name = (text, href) =>
  element("th", { class: "table__text", attributes: { scope: "row", title: text } }, [
    href ? element("a", { class: "link", text, attributes: { href } }) : text,
  ]);
const cell = (/** @type {string} */ text, css = "num") => element("td", { class: css, text });

/** @param {Element} root @param {string} of @param {number} count */
const count = (root, of, count) => setText(root.querySelector(`[data-count="${of}"]`), String(count));

/** @param {Element} root @param {GroupRow[]} groups @param {{isKnown: boolean}} facts */
export function showExposure(root, groups, { isKnown }) {
  const sorted = [...groups].sort((one, other) => other.cost - one.cost);
  const total = sorted.reduce((sum, one) => sum + one.cost, 0);
  const shown = sorted.slice(0, EVENTS_SHOWN);
  const told = [
    isKnown,
    total,
    sorted.length,
    shown.map((one) => [one.key, one.name, one.cost, one.unrealised, one.worst]),
  ];
  setText(root.querySelector("[data-exposure-total]"), total ? `${formatMoney(total)} at cost` : "");
  fill(root, "exposure", told, () => {
    if (!sorted.length && !isKnown) return [reading()];
    if (!sorted.length)
      return [nothing("Nothing is at stake", "Open positions are listed here with their worst case.")];
    const rows = shown.map((one) => {
      const bar = element("progress", {
        class: "overview__share",
        attributes: { max: String(total), value: String(one.cost), "aria-label": `Share of the cost of ${one.name}` },
      });
      return element("tr", {}, [
        name(one.name, one.href),
        cell(formatMoney(one.cost)),
        element("td", { class: "overview__wide" }, [bar]),
        cell(signed(one.unrealised), tone(one.unrealised)),
        cell(signed(one.worst), tone(one.worst)),
      ]);
    });
    const more = sorted.length - shown.length;
    return [
      table("Open exposure", ["Name", "Cost", "Share", "Unrealised", "Worst case"], rows),
      ...(more > 0 ? [moreLine(`${more} more on Portfolio`, "/portfolio/")] : []),
    ];
  });
}

/** @param {string} text @param {string} href */
const moreLine = (text, href) =>
  element("p", { class: "overview__more" }, [element("a", { class: "link", text, attributes: { href } })]);

/** @param {Element} root @param {ReturnType<typeof import("./model.js").workingOf>} orders @param {{isKnown: boolean}} facts */
export function showWorking(root, orders, { isKnown }) {
  count(root, "working", orders.length);
  const shown = orders.slice(0, ORDERS_SHOWN);
  fill(root, "working", [isKnown, orders.length, shown], () => {
    if (!orders.length && !isKnown) return [reading()];
    if (!orders.length)
      return [nothing("No working orders", "Orders that rest, and any without a known outcome, are here.")];
    const rows = shown.map((one) =>
      element("tr", {}, [
        name(one.name, one.href),
        element("td", {}, [
          element("span", { class: `overview__side ${one.isBid ? "gain" : "loss"}`, text: one.side }),
        ]),
        cell(one.price),
        cell(`${one.left} of ${one.of}`),
        cell(one.state, one.isUnknown ? "overview__unknown" : "overview__state"),
      ]),
    );
    const more = orders.length - shown.length;
    return [
      table("Working orders", ["Market", "Side", "Price", "Left", "State"], rows),
      ...(more > 0 ? [moreLine(`${more} more on Orders`, "/orders/")] : []),
    ];
  });
}

/** @param {Element} root @param {ReturnType<typeof import("./model.js").requestsOf>} requests @param {{isKnown: boolean}} facts */
export function showRequests(root, requests, { isKnown }) {
  count(root, "requests", requests.length);
  const shown = requests.slice(0, REQUESTS_SHOWN);
  fill(root, "requests", [isKnown, requests.length, shown], () => {
    if (!requests.length && !isKnown) return [reading()];
    if (!requests.length) return [nothing("No open request", "Requests of this account and the best that is offered.")];
    const rows = shown.map((one) =>
      element("tr", {}, [
        name(one.name, "/rfq/"),
        cell(one.size),
        cell(one.yes, "num gain"),
        cell(one.no, "num loss"),
        cell(one.state, "overview__state"),
      ]),
    );
    const more = requests.length - shown.length;
    return [
      table("Open requests", ["Request", "Size", "Best YES", "Best NO", "State"], rows),
      ...(more > 0 ? [moreLine(`${more} more on the RFQ desk`, "/rfq/")] : []),
    ];
  });
}

/** @param {Element} root @param {ReturnType<typeof import("./model.js").windowsOf>} windows @param {number} openQuotes */
export function showWindows(root, windows, openQuotes) {
  count(root, "windows", windows.length);
  fill(root, "windows", [windows, openQuotes], () => {
    const quotes = `${openQuotes} own quote${openQuotes === 1 ? "" : "s"} open.`;
    if (!windows.length)
      return [element("p", { class: "overview__quiet", text: `No quote waits for a confirmation. ${quotes}` })];
    return [
      element(
        "ul",
        { class: "overview__windows" },
        windows.map((one) =>
          element("li", { class: one.waits ? "overview__window overview__window--waits" : "overview__window" }, [
            element("a", { class: "link truncate", text: one.name, attributes: { href: "/rfq/" } }),
            element("span", { class: "truncate", text: one.text }),
            element("strong", { class: "num", text: one.state }),
          ]),
        ),
      ),
    ];
  });
}

/**
 * @param {Element} root
 * @param {import("./model.js").HappenedRow[]} happened
 * @param {{now: number, zone: string, isKnown: boolean}} facts
 */
export function showHappened(root, happened, { now, zone, isKnown }) {
  const ages = happened.map((one) => formatAge(Math.max(0, now - one.atMs)));
  fill(root, "happened", [isKnown, happened], () => {
    if (!happened.length && !isKnown) return [reading()];
    if (!happened.length)
      return [nothing("Nothing has happened in 24 hours", "Fills, refusals, cancels and RFQ outcomes come here.")];
    const time = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "long" });
    return [
      element(
        "ol",
        { class: "overview__events" },
        happened.map((one) =>
          element("li", { class: "overview__event" }, [
            element("time", {
              class: "num",
              attributes: { title: time.format(one.atMs), datetime: new Date(one.atMs).toISOString() },
            }),
            element("span", { class: `badge badge--${BADGES[one.level || "none"]}`, text: one.kindText }),
            element("a", {
              class: "overview__what truncate",
              text: one.text,
              attributes: { href: one.href, title: one.text },
            }),
          ]),
        ),
      ),
    ];
  });
  for (const [at, node] of root.querySelectorAll('[data-list="happened"] time').entries())
    setText(node, ages[at] ?? "");
}

/** @type {Record<string, string>} */
const BADGES = { ok: "ok", warning: "warning", danger: "danger", none: "muted" };
/** @type {Record<string, string>} */
const LEVEL_WORDS = { ok: "well", warning: "needs a look", danger: "does not work" };

/** @param {Element} root @param {import("./model.js").Source[]} sources */
export function showHealth(root, sources) {
  const bad = sources.filter((one) => one.level === "danger" || one.level === "warning").length;
  setText(root.querySelector("[data-health-note]"), bad ? `${bad} of ${sources.length} need a look` : "all well");
  // Whatever counts by itself (an age) changes a text, not the list.
  fill(
    root,
    "health",
    sources.map(({ name, level, url }) => [name, level, url]),
    () =>
      sources.map((one) =>
        element("li", { class: "overview__source" }, [
          element("span", {
            class: `dot dot--${one.level}`,
            attributes: { role: "img", "aria-label": LEVEL_WORDS[one.level] ?? "" },
          }),
          one.url
            ? element("a", { class: "link", text: one.label, attributes: { href: one.url } })
            : element("span", { text: one.label }),
          element("span", { class: "overview__source-text" }),
        ]),
      ),
  );
  for (const [at, node] of root.querySelectorAll('[data-list="health"] .overview__source-text').entries())
    setText(node, sources[at]?.text ?? "");
}

/** @param {Element} root @param {Row[]} limits @param {Row | null} tokens frame of `limits` */
export function showLimits(root, limits, tokens) {
  const budgets = ["read", "write"].map((kind) => {
    const level = tokens?.[kind];
    const label = kind === "read" ? "Read tokens used" : "Write tokens used";
    if (!level) return /** @type {Row} */ ({ label, text: "not known yet", use: null, most: null });
    const use = level["capacity"] - level["tokens"];
    return /** @type {Row} */ ({ label, text: `${use} of ${level["capacity"]}`, use, most: level["capacity"] });
  });
  const all = [...limits, ...budgets];
  fill(root, "limits", all, () =>
    all.map((one) =>
      element(
        "li",
        {
          class: "overview__limit",
          attributes: one["most"] && one["use"] * 5 >= one["most"] * 4 ? { "data-level": "low" } : {},
        },
        [
          element("span", { text: one["label"] }),
          element("span", { class: "num", text: one["text"] }),
          ...(one["most"]
            ? [
                element("progress", {
                  attributes: { max: String(one["most"]), value: String(one["use"]), "aria-label": one["label"] },
                }),
              ]
            : []),
        ],
      ),
    ),
  );
}

/** @param {Element} root @param {Row[]} steps */
export function showSteps(root, steps) {
  const panel = /** @type {HTMLElement | null} */ (root.querySelector("[data-steps]"));
  if (!panel) return;
  panel.hidden = steps.length === 0;
  for (const [at, node] of panel.querySelectorAll("[data-step]").entries())
    node.setAttribute("data-done", String(Boolean(steps[at]?.["is_done"])));
}
