/** The forecast of a numeric event: five percentiles over time, and their newest values. */
import { desk } from "../frame/desk.js";
import { element, setAttribute, setText } from "../frame/dom.js";
import { createLinesChart } from "./event-chart.js";
import { ageOf, formatterOf, linesOf, noteOf } from "./forecast-model.js";

/** @typedef {import("./forecast-model.js").Forecast} Forecast */

/** The middle is what matters; the outer ones are the margin. @type {{color: string, width: 1 | 2 | 3, style?: 0 | 1 | 2}[]} */
const LINES = [
  { color: "--color-muted", width: 1, style: 2 },
  { color: "--line-6", width: 1 },
  { color: "--line-1", width: 3 },
  { color: "--line-6", width: 1 },
  { color: "--color-muted", width: 1, style: 2 },
];
const root = /** @type {HTMLElement} */ (document.querySelector("[data-forecast]"));
const find = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-forecast-${name}]`));
const zone = document.querySelector("[data-module='event']")?.getAttribute("data-zone") ?? "UTC";
/** @type {Forecast | null} */
let forecast = null;
let isFresh = false;
let drawn = "";
let hasLines = false;
/** @type {ReturnType<typeof createLinesChart> | null} */
let chart = null;
let writes = formatterOf("");

function draw() {
  const mark = JSON.stringify(forecast?.points ?? []);
  if (!forecast || mark === drawn) return;
  drawn = mark;
  const written = forecast.now.find(Boolean) ?? "";
  writes = formatterOf(written);
  chart ??= createLinesChart(find("chart"), {
    zone,
    lines: LINES,
    format: (value) => writes.format(value),
    minMove: writes.minMove,
  });
  hasLines = chart.show(linesOf(forecast));
  const { percentiles, now } = forecast;
  find("legend").replaceChildren(
    ...percentiles.flatMap((percentile, index) =>
      now[index]
        ? [
            element("li", {}, [
              element("span", { text: percentile === 50 ? "median" : `${percentile}%` }),
              element("b", { class: "num", text: now[index] ?? "" }),
            ]),
          ]
        : [],
    ),
  );
}

function tick() {
  const age = ageOf({ link: desk.socket.link.state, isFresh, forecast, nowMs: desk.clock.now() });
  setAttribute(root, "data-feed", age.state);
  setText(find("age"), age.text);
}

desk.topics.watch(root.dataset["forecast"] ?? "", (state) => {
  forecast = state.version >= 0 ? state.value : null;
  isFresh = state.isFresh;
  draw();
  const note = find("note");
  const words = noteOf(forecast, hasLines);
  setText(note, words);
  note.hidden = words === "";
  note.classList.toggle("event__chart-note--over", !hasLines);
  tick();
});
desk.socket.onLink(tick);
setInterval(tick, 1_000);
