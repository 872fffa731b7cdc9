/** Who has one of our quotes, who looks at it and what was said about it, in a dialog. */
import { desk } from "../../frame/desk.js";
import { element, setText } from "../../frame/dom.js";
import { createTeam } from "../team.js";

/** @typedef {Record<string, any>} Row a row of `quotes:<account>` */

/**
 * @param {object} options
 * @param {string} options.account
 * @param {string} options.person
 * @param {{has(name: string): boolean}} options.offers
 */
export function createQuoteTeam({ account, person, offers }) {
  const topic = `rfqteam:${account}`;
  const rowOf = (/** @type {string} */ key) => desk.topics.peek(topic)?.rows.get(key);
  /** @type {ReturnType<typeof make> | null} */
  let made = null;
  desk.topics.watch(topic, () => made?.draw());

  /** The dialog: in the page from the first time that somebody opens it. */
  function make() {
    const title = element("h2", { class: "dialog__title", attributes: { id: "quote-team-title" } });
    const part = element("div", { class: "dialog__body context__team" });
    const say = element("p", { class: "field__error", attributes: { "data-team-say": "", role: "status" } });
    const form = element("form", { class: "team-line__form", attributes: { "data-team-comment": "" } }, [
      element("input", {
        class: "field__input",
        attributes: {
          name: "text",
          maxlength: "500",
          autocomplete: "off",
          "aria-label": "Comment, @name mentions a member",
          placeholder: "Comment, @name mentions",
        },
      }),
      ...[
        ["team.claim", "data-team-claim", "Claim"],
        ["team.hand_over", "data-team-give", "Hand over"],
      ]
        .filter(([command = ""]) => offers.has(command))
        .map(([, name = "", text = ""]) =>
          element("button", {
            class: "button button--small",
            text,
            attributes: { type: "button", [name]: "", hidden: "" },
          }),
        ),
    ]);
    part.append(element("ul", { class: "team-line", attributes: { "data-team": "" } }), say, form);
    const close = element("button", { class: "button", text: "Close", attributes: { type: "button" } });
    const dialog = /** @type {HTMLDialogElement} */ (
      element("dialog", { class: "dialog maker__dialog", attributes: { "aria-labelledby": "quote-team-title" } }, [
        element("header", { class: "dialog__header" }, [
          title,
          element("span", { class: `badge badge--${desk.data.environment}`, text: desk.data.environment }),
        ]),
        part,
        element("footer", { class: "dialog__footer" }, [close]),
      ])
    );
    document.body.append(dialog);
    const team = createTeam(part, {
      person,
      zone: desk.data.time_zone,
      now: () => desk.clock.now(),
      command: (name, params) => desk.socket.command(name, params),
      what: "quote",
    });
    let shown = "";
    const draw = () => {
      if (shown) team.show(shown, rowOf(shown));
    };
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      shown = "";
      team.show("", undefined); // nobody looks any more
    });
    return {
      draw,
      /** @param {Row} row @param {string} what */
      open(row, what) {
        shown = row["key"];
        setText(title, `Team on the quote: ${what}`);
        draw();
        dialog.showModal();
      },
    };
  }

  return {
    /** @param {Row} row @param {string} what the quote in words */
    open(row, what) {
      made ??= make();
      made.open(row, what);
    },
    /** How many comments a quote has. @param {string} key */
    count: (key) => Number(rowOf(key)?.["comments"]?.length ?? 0),
  };
}
