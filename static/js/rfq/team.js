/** Who has a request, who looks at it, what was said about it. Looking is told while the page is seen. */
import { askFields } from "../frame/ask.js";
import { desk } from "../frame/desk.js";
import { element, setText } from "../frame/dom.js";
import { receivers } from "./team-bar-model.js";
import { teamLines } from "./team-model.js";

/** @typedef {Record<string, any>} Row */

const LOOK_EVERY_MS = 5_000;

/**
 * @param {HTMLElement} part
 * @param {{person: string, zone: string, now: () => number, what?: string,
 *   command: (name: string, params: Record<string, unknown>) => Promise<import("../core/socket.js").Outcome>}} options
 */
export function createTeam(part, { person, zone, now, command, what = "RFQ" }) {
  const list = /** @type {HTMLElement} */ (part.querySelector("[data-team]"));
  const say = /** @type {HTMLElement} */ (part.querySelector("[data-team-say]"));
  const form = /** @type {HTMLFormElement} */ (part.querySelector("[data-team-comment]"));
  const input = /** @type {HTMLInputElement} */ (form.elements.namedItem("text"));
  const claim = /** @type {HTMLButtonElement | null} */ (part.querySelector("[data-team-claim]"));
  const give = /** @type {HTMLButtonElement | null} */ (part.querySelector("[data-team-give]"));
  let subject = "";
  /** @type {Row | null} */
  let row = null;

  function draw() {
    part.hidden = subject === "";
    const lines = teamLines(row, { person, zone, nowMs: now(), what });
    const key = JSON.stringify(lines);
    if (list.dataset["about"] !== key) {
      list.dataset["about"] = key;
      list.replaceChildren(
        ...lines.map(({ initials, text, at }) =>
          element("li", { class: "team-line__one" }, [
            element("span", {
              class: "avatar team-line__avatar",
              text: initials,
              attributes: { "aria-hidden": "true" },
            }),
            element("span", { text }),
            element("span", { class: "num muted", text: at }),
          ]),
        ),
      );
      list.scrollTop = list.scrollHeight;
    }
    const owner = row?.["owner"];
    if (give) give.hidden = !row || (String(owner?.id ?? "") !== person && !desk.may("rfq.manage"));
    if (claim) {
      claim.hidden = !row || String(owner?.id ?? "") === person;
      setText(claim, owner ? `Take over from ${owner.name}` : "Claim");
    }
  }

  /** @param {import("../core/socket.js").Outcome} answer */
  const tell = (answer) => setText(say, answer.kind === "ok" ? "" : answer.text);

  claim?.addEventListener("click", async () => {
    const about = subject;
    if (!row?.["owner"]) return tell(await command("team.claim", { subject: about }));
    askFields({
      title: `Take it over from ${row["owner"].name}`,
      text: "They are told, with your reason.",
      fields: [{ name: "note", label: "Reason", maxLength: 200 }],
      yes: "Take it over",
      check: ({ note }) => /** @type {Record<string, string>} */ (note ? {} : { note: "Say why." }),
      send: async ({ note }) => {
        const answer = await command("team.claim", { subject: about, note });
        return answer.kind === "ok" ? "" : answer.text;
      },
    });
    return undefined;
  });
  give?.addEventListener("click", async () => {
    const about = subject;
    const answer = await command("team.members", {});
    if (answer.kind !== "ok") return tell(answer);
    const others = receivers(answer.value["members"], row);
    askFields({
      title: "Hand it over",
      text: "They are told, and may then take quotes and change prices.",
      fields: [
        {
          name: "to",
          label: "To (user name)",
          value: others[0]?.username ?? "",
          hint: others.map((one) => one.username).join(", "),
        },
        { name: "note", label: "Note", maxLength: 200 },
      ],
      yes: "Hand it over",
      check: ({ to }) =>
        /** @type {Record<string, string>} */ (
          others.some((one) => one.username === to) ? {} : { to: "Give the user name of somebody who may trade." }
        ),
      send: async ({ to, note }) => {
        const receiver = others.find((one) => one.username === to);
        const done = await command("team.hand_over", { subject: about, to: receiver?.id, note });
        return done.kind === "ok" ? "" : done.text;
      },
    });
    return undefined;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || !subject) return;
    const answer = await command("team.comment", { subject, text });
    if (answer.kind === "ok") input.value = "";
    tell(answer);
  });
  const look = () => {
    if (subject && !document.hidden) void command("team.look", { subject });
  };
  setInterval(look, LOOK_EVERY_MS);

  return {
    /** @param {string} key of the request, "" for none @param {Row | undefined} next its row of `rfqteam:<account>` */
    show(key, next) {
      const isNew = key !== subject;
      subject = key;
      row = next ?? null;
      if (isNew) {
        setText(say, "");
        look();
      }
      draw();
    },
    tick: draw,
  };
}
