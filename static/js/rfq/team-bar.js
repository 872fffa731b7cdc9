/** Above the RFQ desk: what waits for a second person, the threshold, and a word when somebody mentions us. */
import { ask, askFields } from "../frame/ask.js";
import { desk } from "../frame/desk.js";
import { element, setText } from "../frame/dom.js";
import { toast } from "../frame/toasts.js";
import { decidedWords, mentionsOf, thresholdWords, waiting } from "./team-bar-model.js";

const TICK_MS = 1_000;

/** @param {HTMLElement} root */
function start(root) {
  const { account = "", person = "" } = root.dataset;
  const bar = /** @type {HTMLElement} */ (root.querySelector("[data-team-bar]"));
  const panel = /** @type {HTMLElement} */ (root.querySelector("[data-approvals]"));
  const list = /** @type {HTMLElement} */ (panel.querySelector("[data-approvals-list]"));
  const mayManage = bar.dataset["mayManage"] === "yes";
  const topic = `approvals:${account}`;
  /** @type {Set<number>} */
  const seen = new Set();
  let isFirst = true;

  const row = (/** @type {string} */ key) => desk.topics.peek(topic)?.rows.get(key);

  function draw() {
    const rows = [...(desk.topics.peek(topic)?.rows.values() ?? [])];
    setText(bar.querySelector("[data-threshold-words]"), thresholdWords(row("threshold")));
    const open = waiting(rows, { person, mayManage, nowMs: desk.clock.now() });
    panel.hidden = open.length === 0;
    setText(panel.querySelector("[data-approvals-count]"), open.length ? `(${open.length})` : "");
    const keys = open.map(({ key }) => key).join();
    if (list.dataset["keys"] !== keys) {
      list.dataset["keys"] = keys;
      list.replaceChildren(...open.map(lineOf));
    }
    for (const one of open) setText(list.querySelector(`[data-left="${one.key}"]`), one.left);
  }

  /** @param {ReturnType<typeof waiting>[number]} one */
  function lineOf(one) {
    const what = element("span", { class: "approvals__what" }, [
      element("strong", { text: one.title }),
      ` ${one.text}`,
    ]);
    const line = element("li", { class: "approvals__one" }, [
      what,
      element("span", { class: "approvals__who", text: `${one.who}. ${one.why}` }),
      element("span", { class: "approvals__left num", attributes: { "data-left": one.key } }),
    ]);
    if (one.mayApprove) line.append(button("Approve", "button--primary", () => approve(one)));
    if (one.mayEnd) line.append(button(one.end, "", () => decide("approval.decline", one)));
    return line;
  }

  /** @param {string} text @param {string} css @param {() => Promise<void>} run */
  function button(text, css, run) {
    const node = /** @type {HTMLButtonElement} */ (
      element("button", { class: `button button--small ${css}`.trim(), text, attributes: { type: "button" } })
    );
    node.addEventListener("click", async () => {
      node.disabled = true;
      await run();
      node.disabled = false;
    });
    return node;
  }

  /** @param {ReturnType<typeof waiting>[number]} one */
  async function approve(one) {
    const isYes = await ask({
      title: "Approve and send",
      text: `${one.title}: ${one.text}. ${one.who}. It is checked again at the price of now, and sent with their rights.`,
      yes: "Approve and send",
    });
    if (isYes) await decide("approval.approve", one);
  }

  /** @param {string} name @param {{key: string, hash: string}} one */
  async function decide(name, one) {
    const answer = await desk.socket.command(name, { approval: one.key, hash: one.hash });
    if (answer.kind === "ok") toast(decidedWords(answer.value["approval"]));
    else
      toast({
        title: answer.kind === "error" ? "Nothing was done" : "Answer lost",
        text: answer.text,
        level: "warning",
      });
  }

  bar.querySelector("[data-threshold]")?.addEventListener("click", () => {
    const now = row("threshold");
    askFields({
      title: "Four eyes above a size",
      text: "Larger requests, accepts and quotes wait for a second person. Leave a field empty to not use it.",
      fields: [
        { name: "contracts", label: "Contracts", value: now?.["contracts"] ?? "", inputMode: "decimal" },
        { name: "cost", label: "Dollars", value: now?.["cost"] ?? "", inputMode: "decimal" },
      ],
      yes: "Set",
      check: () => /** @type {Record<string, string>} */ ({}),
      send: async (values) => {
        const answer = await desk.socket.command("approval.threshold", values);
        if (answer.kind === "ok") return "";
        return answer.kind === "error" ? (Object.values(answer.fields)[0] ?? answer.text) : answer.text;
      },
    });
  });

  desk.topics.watch(topic, draw);
  desk.topics.watch(`rfqteam:${account}`, (state) => {
    if (state.version < 0) return;
    const said = mentionsOf([...state.rows.values()], { person, seen });
    if (!isFirst) for (const { by, text } of said) toast({ title: `${by} mentioned you`, text, level: "warning" });
    isFirst = false;
  });
  setInterval(draw, TICK_MS);
  draw();
}

const root = /** @type {HTMLElement | null} */ (document.querySelector("[data-module='rfq']"));
if (root?.querySelector("[data-team-bar]")) start(root);
