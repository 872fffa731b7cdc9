/** The tab of auto-quote rules: the grid in the order in which rules are asked, its editor, and arming. */
import { ask, askFields } from "../../frame/ask.js";
import { desk } from "../../frame/desk.js";
import { element } from "../../frame/dom.js";
import { toast, toastOutcome } from "../../frame/toasts.js";
import { openFairValues } from "./fair-values.js";
import { formDialog } from "./form-dialog.js";
import { replayPart, showVersions } from "./history.js";
import {
  FIELDS,
  FIRST_TERMS,
  cells,
  fieldFlag,
  fieldText,
  inOrder,
  movedKeys,
  nextStates,
  readTerms,
  stateTitle,
  versionWords,
} from "./rules-model.js";
import { createTable, deedButton } from "./table.js";

/** @typedef {import("./rules-model.js").Row} Row */

const COLUMNS = [
  { id: "priority", title: "#", isNumber: true },
  { id: "account", title: "Account" },
  { id: "name", title: "Rule" },
  { id: "state", title: "State" },
  { id: "match", title: "Matches", css: "maker__why" },
  { id: "fair", title: "Fair" },
  { id: "edges", title: "Edge YES / NO ¢", isNumber: true },
  { id: "width", title: "Width ¢", isNumber: true },
  { id: "caps", title: "At most" },
  { id: "ttl", title: "Lasts", isNumber: true },
  { id: "policy", title: "Confirm" },
  { id: "today", title: "Today (UTC)", css: "maker__why" },
  { id: "deeds", title: "", css: "maker__deed" },
];
const TONES = { armed: "ok", shadow: "warning", off: "" };
const STATE_WORDS = { off: "Off", shadow: "Shadow", armed: "Arm" };

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} tools
 * @param {object} options
 * @param {string} options.account
 * @param {import("./rules-model.js").Account[]} options.others the desk's other accounts: shown when they are asked for
 * @param {{has(name: string): boolean}} options.offers
 * @param {(count: number) => void} options.onCount
 */
export function createRules(panel, tools, { account, others, offers, onCount }) {
  const topicOf = (/** @type {number | string} */ id) => `rules:${id}`;
  let asked = [Number(account)];
  const nameOf = new Map(others.map((other) => [other.id, other.name]));
  const wrap = /** @type {HTMLElement} */ (panel.querySelector("[data-wrap]"));
  const mayWrite = offers.has("rule.save");
  const mayOrder = offers.has("rule.order");
  const mayState = offers.has("rule.state");
  const mayRead = offers.has("rule.versions");
  const mayArm = desk.may("rfq.manage");
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: desk.data.time_zone,
    dateStyle: "medium",
    timeStyle: "short",
  });
  const time = (/** @type {number} */ ms) => clock.format(ms);
  let isShown = false;
  const table = createTable(/** @type {HTMLTableElement} */ (panel.querySelector("[data-table]")), {
    columns: COLUMNS.filter(
      ({ id }) => (id !== "deeds" || mayWrite || mayState || mayRead) && (id !== "account" || others.length > 0),
    ),
    label: "Auto-quote rules in the order in which they are asked; the first that matches decides",
    onDeed(key, deed) {
      const row = ordered().find((each) => each["key"] === key);
      if (!row) return;
      if (deed === "edit") edit(row);
      else if (deed === "history") void showVersions(row, time);
      else if (deed === "up") void move(row, -1);
      else if (deed === "down") void move(row, 1);
      else void turn(row, deed);
    },
  });

  const ordered = () =>
    inOrder(
      asked.flatMap((id) => [...(desk.topics.peek(topicOf(id))?.rows.values() ?? [])]),
      asked,
    );

  function draw() {
    const rows = ordered();
    onCount(rows.filter((row) => row["account_id"] === Number(account)).length);
    if (!isShown) return;
    const isLast = (/** @type {number} */ at) => rows[at]?.["account_id"] !== rows[at + 1]?.["account_id"];
    table.show(
      rows.map((row, at) => {
        const text = cells(row);
        const state = row["state"];
        return {
          key: row["key"],
          cells: {
            priority: { text: text.priority },
            account: { text: nameOf.get(row["account_id"]) ?? "this one" },
            name: { text: text.name, title: versionWords(row, time) },
            state: {
              text: text.state,
              tone: TONES[/** @type {keyof typeof TONES} */ (state)] ?? "",
              title: `${stateTitle(row, time)}. Breakers: ${text.breakers || "as usual"}`,
            },
            match: { text: text.match, title: text.match },
            fair: { text: text.fair },
            edges: { text: text.edges },
            width: { text: text.width },
            caps: { text: text.caps, title: "Contracts of one request, open quotes, dollars at risk in all" },
            ttl: { text: text.ttl },
            policy: { text: text.policy },
            today: { text: text.today, title: text.today },
            deeds: {
              text: "",
              nodesKey: `${state}:${isLast(at - 1)}:${isLast(at)}:${text.name}`,
              nodes: () => deeds(row, { isFirst: isLast(at - 1), isLast: isLast(at) }),
            },
          },
        };
      }),
    );
    wrap.hidden = rows.length === 0;
    /** @type {HTMLElement} */ (panel.querySelector("[data-empty]")).hidden = rows.length > 0;
    panel.dataset["feed"] = asked.every((id) => desk.topics.peek(topicOf(id))?.isFresh) ? "live" : "stale";
  }

  /** @param {Row} row @param {{isFirst: boolean, isLast: boolean}} place among the rules of its account */
  function deeds(row, { isFirst, isLast }) {
    const nodes = [];
    if (mayState)
      for (const state of nextStates(row["state"], mayArm))
        nodes.push(
          deedButton(state, STATE_WORDS[/** @type {keyof typeof STATE_WORDS} */ (state)], {
            css: state === "armed" ? "button--primary" : "",
            label: `${state === "armed" ? "Arm" : `Turn to ${state}:`} ${row["name"]}`,
          }),
        );
    if (mayWrite) nodes.push(deedButton("edit", "Edit", { label: `Edit ${row["name"]}` }));
    if (mayRead) nodes.push(deedButton("history", "History", { label: `History of ${row["name"]}` }));
    if (mayOrder && !isFirst) nodes.push(deedButton("up", "↑", { label: `Ask ${row["name"]} earlier` }));
    if (mayOrder && !isLast) nodes.push(deedButton("down", "↓", { label: `Ask ${row["name"]} later` }));
    return nodes;
  }

  /** @param {Row | null} row */
  function edit(row) {
    const terms = row?.["terms"] ?? FIRST_TERMS;
    formDialog({
      title: row ? `Rule ${row["name"]}` : "New rule",
      text: "A saved rule is a new version and is switched off; a lead arms it. Shadow decides and sends nothing.",
      fields: [
        { name: "name", label: "Name", kind: "text", value: row?.["name"] ?? "" },
        { name: "why", label: "Why (kept with the version)", kind: "text" },
        ...FIELDS.map((field) => ({ ...field, value: fieldText(terms, field), isChecked: fieldFlag(terms, field) })),
      ],
      ...(row
        ? {
            extra: (values) =>
              element("div", {}, [
                element("p", { class: "muted", text: versionWords(row, time) }),
                ...(offers.has("rule.replay") ? [replayPart(row, () => readTerms(values()))] : []),
              ]),
          }
        : {}),
      yes: row ? "Save a new version" : "Save",
      ...(row && offers.has("rule.remove") ? { remove: "Remove" } : {}),
      check(values) {
        const { faults } = readTerms(values);
        if (!values["name"]) faults["name"] = "Give it a name.";
        if (!values["why"]) faults["why"] = "Say why: others read it.";
        return faults;
      },
      async send(values) {
        const answer = await desk.socket.command("rule.save", {
          name: values["name"],
          why: values["why"],
          terms: readTerms(values).terms,
          ...(row ? { rule: row["key"] } : {}),
        });
        if (answer.kind !== "ok") return { text: answer.text, fields: answer.kind === "error" ? answer.fields : {} };
        toast({ title: `The rule ${values["name"]} is saved, and off`, level: "ok" });
        return null;
      },
      async onRemove() {
        const answer = await desk.socket.command("rule.remove", { rule: row?.["key"] });
        if (answer.kind !== "ok") return { text: answer.text, fields: {} };
        toast({ title: `The rule ${row?.["name"]} is removed`, level: "ok" });
        return null;
      },
    });
  }

  /** @param {Row} row @param {string} state */
  async function turn(row, state) {
    const text = cells(row);
    if (state === "armed") {
      return askFields({
        title: `Arm ${row["name"]}`,
        text: `It will quote by itself: ${text.match}; edges ${text.edges}¢, ${text.caps}. Written by ${row["made_by"]?.name ?? "somebody"}: ${row["why"]}`,
        fields: [{ name: "why", label: "Why (others read it)", maxLength: 200 }],
        yes: `Arm ${row["name"]}`,
        check: () => ({}),
        async send({ why = "" }) {
          const answer = await desk.socket.command("rule.state", { rule: row["key"], state, why });
          return answer.kind === "ok" ? "" : answer.text;
        },
      });
    }
    if (row["state"] === "armed" && state === "shadow") {
      const isSure = await ask({
        title: `Take ${row["name"]} back to shadow`,
        text: "It goes on deciding, sends nothing more, and its open quotes are pulled.",
        yes: "To shadow",
      });
      if (!isSure) return undefined;
    }
    const answer = await desk.socket.command("rule.state", { rule: row["key"], state });
    if (answer.kind === "ok")
      toast({ title: `${row["name"]} is ${state === "off" ? "off" : "in shadow"}`, level: "ok" });
    else toastOutcome(answer, "");
    return undefined;
  }

  /** @param {Row} row @param {-1 | 1} by */
  async function move(row, by) {
    const keys = movedKeys(
      ordered()
        .filter((each) => each["account_id"] === row["account_id"])
        .map((each) => each["key"]),
      row["key"],
      by,
    );
    if (!keys) return;
    const answer = await desk.socket.command("rule.order", { rules: keys });
    if (answer.kind !== "ok") toastOutcome(answer, "");
  }

  const fair = /** @type {HTMLElement | null} */ (tools.querySelector("[data-fair-values]"));
  fair?.addEventListener("click", () => openFairValues({ offers, uploadUrl: fair.dataset["uploadUrl"] ?? "", time }));
  tools.querySelector("[data-rule-new]")?.addEventListener("click", () => edit(null));
  desk.topics.watch(topicOf(account), draw);
  /** @type {(() => void)[]} */
  let leaves = [];
  const box = /** @type {HTMLInputElement | null} */ (tools.querySelector("[data-all-accounts]"));
  box?.closest("label")?.toggleAttribute("hidden", others.length === 0);
  box?.addEventListener("change", () => {
    for (const leave of leaves) leave();
    asked = [Number(account), ...(box.checked ? others.map(({ id }) => id) : [])];
    leaves = asked.slice(1).map((id) => desk.topics.watch(topicOf(id), draw));
    draw();
  });
  return {
    show() {
      isShown = true;
      draw();
    },
    hide() {
      isShown = false;
    },
  };
}
