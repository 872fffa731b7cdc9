/** Filters with a name: a menu that puts them back, keeps the present one, and forgets one. */
import { askFields } from "../frame/ask.js";
import { element } from "../frame/dom.js";
import { MOST_SAVED, readSaved, withSaved } from "./saved-model.js";

/**
 * @param {HTMLElement} menu a <details> with a `data-saved-list` and a button `data-saved-add`
 * @param {object} options
 * @param {Pick<Storage, "getItem" | "setItem">} options.storage
 * @param {string} options.key
 * @param {() => string} options.present the filters that count now, as in the address
 * @param {(search: string) => void} options.onChoose
 */
export function wireSavedFilters(menu, { storage, key, present, onChoose }) {
  const list = /** @type {HTMLElement} */ (menu.querySelector("[data-saved-list]"));
  const read = () => readSaved(storage.getItem(key));

  function draw() {
    const lines = read().map(({ name, search }) =>
      element("div", { class: "saved" }, [
        element("button", { class: "menu__item", text: name, attributes: { type: "button", "data-search": search } }),
        element("button", {
          class: "button button--quiet button--small",
          text: "Forget",
          attributes: { type: "button", "data-forget": name, "aria-label": `Forget the filter ${name}` },
        }),
      ]),
    );
    list.replaceChildren(...(lines.length ? lines : [element("p", { class: "menu__label", text: "None kept yet" })]));
  }

  menu.hidden = false;
  draw();
  menu.addEventListener("toggle", draw);
  menu.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    const forgotten = target.closest("[data-forget]")?.getAttribute("data-forget");
    if (forgotten) {
      storage.setItem(key, JSON.stringify(read().filter(({ name }) => name !== forgotten)));
      draw();
      return;
    }
    const search = target.closest("[data-search]")?.getAttribute("data-search");
    if (search !== null && search !== undefined) {
      menu.removeAttribute("open");
      onChoose(search);
    }
    if (target.closest("[data-saved-add]")) {
      menu.removeAttribute("open");
      add();
    }
  });

  function add() {
    askFields({
      title: "Keep these filters",
      text: "Under a name, for you, in every browser. The same name replaces what was kept under it.",
      fields: [{ name: "name", label: "Name", maxLength: 40 }],
      yes: "Keep",
      check: ({ name = "" }) => {
        /** @type {Record<string, string>} */
        const faults = {};
        const isNew = !read().some((each) => each.name.toLowerCase() === name.toLowerCase());
        if (!name) faults["name"] = "Give it a name.";
        else if (isNew && read().length >= MOST_SAVED)
          faults["name"] = `At most ${MOST_SAVED} are kept. Forget one first.`;
        return faults;
      },
      async send({ name = "" }) {
        storage.setItem(key, JSON.stringify(withSaved(read(), { name, search: present() })));
        draw();
        return "";
      },
    });
  }
}
