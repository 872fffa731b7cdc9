/** The panel of what an event is about: score, clock and whatever else the exchange tells of it. All of it is text. */
import { desk } from "../frame/desk.js";
import { element, setAttribute, setText } from "../frame/dom.js";
import { ageOf, clockWords, noteOf, phaseOf } from "./milestone-model.js";

/** @typedef {import("./milestone-model.js").Frame} Frame */

const TINT_MS = 400;
const PLAYS_EVERY_MS = 6_000;

/** @param {HTMLElement} root */
function createPanel(root) {
  const find = (/** @type {string} */ name) => /** @type {HTMLElement | null} */ (root.querySelector(`[data-${name}]`));
  const whole = (/** @type {string | undefined} */ raw) => (raw ? Number(raw) : null);
  const startMs = whole(root.dataset["startMs"]);
  const endMs = whole(root.dataset["endMs"]);
  /** @type {Frame | null} */
  let frame = null;
  let isFresh = false;
  /** What is drawn of each part, so that nothing is made anew that stayed. @type {Record<string, string>} */
  const drawn = {};

  function tick() {
    const nowMs = desk.clock.now();
    const { phase, text } = phaseOf({ startMs, endMs, nowMs, frame });
    setAttribute(root, "data-phase", phase);
    setText(find("when"), text);
    const age = ageOf({ link: desk.socket.link.state, isFresh, frame, nowMs });
    setAttribute(root, "data-feed", age.state);
    setText(find("age"), age.text);
  }

  /** @param {string} name @param {unknown} content @param {(box: HTMLElement) => void} draw */
  function part(name, content, draw) {
    const box = find(name);
    const mark = JSON.stringify(content);
    if (!box || drawn[name] === mark) return;
    drawn[name] = mark;
    const isEmpty = content === "" || (Array.isArray(content) && content.length === 0);
    box.hidden = isEmpty;
    box.replaceChildren();
    if (!isEmpty) draw(box);
  }

  function show() {
    const isAhead = frame?.phase === "before";
    const sides = (frame?.sides ?? []).map((side) => (isAhead ? { ...side, score: "" } : side));
    const clock = frame ? clockWords(frame) : "";
    const before = [...root.querySelectorAll(".milestone__points")].map((node) => node.textContent);
    part("score", sides.length ? [sides, clock] : [], (box) => {
      sides.forEach((side, index) => box.append(sideNode(side, before[index])));
      if (clock) box.append(element("p", { class: "milestone__clock num", text: clock }));
    });
    part("last", frame?.last ?? "", (box) => (box.textContent = frame?.last ?? ""));
    part("periods", frame?.periods ?? [], (box) => box.append(periodsNode(frame?.periods ?? [], sides)));
    part("facts", frame?.facts ?? [], (box) => {
      for (const [name = "", value = ""] of frame?.facts ?? []) {
        box.append(element("dt", { text: name }), element("dd", { text: value }));
      }
    });
    part("tables", frame?.tables ?? [], (box) => box.append(...(frame?.tables ?? []).map(tableNode)));
    const note = noteOf(frame);
    part("note", note, (box) => (box.textContent = note));
    tick();
  }

  desk.topics.watch(`milestone:${root.dataset["environment"]}:${root.dataset["milestone"]}`, (state) => {
    frame = state.version >= 0 ? state.value : null;
    isFresh = state.isFresh;
    show();
  });
  desk.socket.onLink(tick);
  setInterval(tick, 1_000);
  tick();
  const plays = /** @type {HTMLDetailsElement | null} */ (find("plays"));
  if (plays) watchPlays(plays, root);
}

/** @param {{name: string, score: string, has_ball: boolean}} side @param {string | null | undefined} before */
function sideNode(side, before) {
  const points = element("b", { class: "milestone__points num", text: side.score || "-" });
  if (before !== undefined && before !== points.textContent) {
    points.classList.add("is-changed");
    setTimeout(() => points.classList.remove("is-changed"), TINT_MS);
  }
  const name = element("span", { class: "milestone__name", text: side.name });
  if (side.has_ball) name.append(element("span", { class: "milestone__ball", attributes: { title: "has the ball" } }));
  return element("p", { class: "milestone__side" }, [name, points]);
}

/** @param {string[][]} periods @param {{name: string}[]} sides */
function periodsNode(periods, sides) {
  const cell = (/** @type {string} */ text) => element("td", { class: "num", text });
  const head = element("tr", {}, [
    element("th", { text: "", attributes: { scope: "col", "aria-label": "Side" } }),
    ...periods.map(([name = ""]) =>
      element("th", { class: "num", text: shortPeriod(name), attributes: { scope: "col", title: name } }),
    ),
  ]);
  const lines = [1, 2].map((at) =>
    element("tr", {}, [
      element("th", { text: sides[at - 1]?.name ?? (at === 1 ? "Home" : "Away"), attributes: { scope: "row" } }),
      ...periods.map((one) => cell(one[at] ?? "")),
    ]),
  );
  return element("table", { class: "table milestone__table" }, [
    element("thead", {}, [head]),
    element("tbody", {}, lines),
  ]);
}

/** "Quarter 3" -> "Q3", "Overtime" -> "OT". @param {string} name */
function shortPeriod(name) {
  const [word = "", number = ""] = name.split(" ");
  return word === "Overtime" ? `OT${number}` : `${word.slice(0, 1)}${number}`;
}

/** @param {{name: string, columns: string[], rows: string[][]}} table */
function tableNode({ name, columns, rows }) {
  return element("div", { class: "milestone__list" }, [
    element("table", { class: "table milestone__table" }, [
      element("caption", { text: name }),
      element("thead", {}, [
        element(
          "tr",
          {},
          columns.map((text) => element("th", { text, attributes: { scope: "col" } })),
        ),
      ]),
      element(
        "tbody",
        {},
        rows.map((row) =>
          element(
            "tr",
            {},
            row.map((text) => element("td", { text })),
          ),
        ),
      ),
    ]),
  ]);
}

/** Read the plays while the list is open. @param {HTMLDetailsElement} box @param {HTMLElement} root */
function watchPlays(box, root) {
  const note = /** @type {HTMLElement | null} */ (box.querySelector("[data-plays-note]"));
  const table = /** @type {HTMLTableElement | null} */ (box.querySelector("table"));
  const body = box.querySelector("tbody");
  let shown = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  async function read() {
    clearTimeout(timer);
    if (!box.open) return;
    let words = "";
    try {
      const response = await fetch(box.dataset["plays"] ?? "", { headers: { Accept: "application/json" } });
      const answer = await response.json().catch(() => ({}));
      if (!response.ok) throw new Error(answer.error ?? `The desk answered ${response.status}.`);
      draw(answer.plays);
      words = answer.plays.length ? "" : "No play yet.";
      if (answer.is_cut) words = `The newest ${answer.plays.length} plays.`;
    } catch (problem) {
      const reason = problem instanceof Error ? problem.message : "";
      words = shown ? `Not up to date: ${reason}` : reason;
    }
    setText(note, words);
    if (note) note.hidden = words === "";
    if (root.dataset["phase"] !== "over") timer = setTimeout(() => void read(), PLAYS_EVERY_MS);
  }

  /** @param {{period: string, clock: string, text: string, home: string, away: string}[]} plays */
  function draw(plays) {
    const mark = JSON.stringify(plays);
    if (!table || mark === shown) return;
    shown = mark;
    table.hidden = plays.length === 0;
    body?.replaceChildren(
      ...plays.map(({ period, clock, text, home, away }) =>
        element("tr", {}, [
          element("td", { class: "num", text: [shortPeriod(period), clock].filter(Boolean).join(" ") }),
          element("td", { class: "num", text: home || away ? `${home}-${away}` : "" }),
          element("td", { class: "milestone__what", text }),
        ]),
      ),
    );
  }

  box.addEventListener("toggle", () => void read());
}

for (const root of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-milestone]"))) {
  createPanel(root);
}
