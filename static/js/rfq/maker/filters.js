/** Which filter of the stream is shown: the choice, its dialog, and what is kept for the person and the desk. */
import { desk } from "../../frame/desk.js";
import { element } from "../../frame/dom.js";
import { toast } from "../../frame/toasts.js";
import { browserStorage } from "../../grid/column-memory.js";
import { FIELDS, fieldText, readCriteria } from "./filter-model.js";
import { formDialog } from "./form-dialog.js";

/** @typedef {import("./filter-model.js").Filter} Filter */

/**
 * @param {HTMLElement} tools
 * @param {object} options
 * @param {string} options.person
 * @param {{has(name: string): boolean}} options.offers
 * @param {(filter: number) => void} options.onChoose
 */
export function wireFilters(tools, { person, offers, onChoose }) {
  const select = /** @type {HTMLSelectElement} */ (tools.querySelector("[data-filter]"));
  const edit = /** @type {HTMLButtonElement | null} */ (tools.querySelector("[data-filter-edit]"));
  const storage = browserStorage();
  const key = `desk:rfq.filter:${person}`;
  /** @type {Filter[]} */
  let filters = [];
  let wanted = Number(storage?.getItem(key) ?? 0);
  let isRead = !offers.has("filter.list");
  let chosen = 0;

  /** @param {number} filter */
  function choose(filter) {
    chosen = filters.some(({ id }) => id === filter) ? filter : 0;
    select.value = String(chosen);
    if (edit) edit.hidden = chosen === 0;
    try {
      storage?.setItem(key, String(chosen));
    } catch {
      // Then "everything" comes first the next time.
    }
    onChoose(chosen);
  }

  function fill() {
    select.replaceChildren(
      element("option", { text: "Everything", attributes: { value: "0" } }),
      ...filters.map(({ id, name, is_shared: isShared }) =>
        element("option", { text: isShared ? `${name} (desk)` : name, attributes: { value: String(id) } }),
      ),
    );
  }

  async function read() {
    const answer = await desk.socket.command("filter.list", {});
    if (answer.kind !== "ok") return;
    isRead = true;
    filters = answer.value["filters"];
    fill();
    if (wanted !== chosen) choose(wanted);
    else select.value = String(chosen);
  }

  /** @param {Filter | null} known */
  function open(known) {
    const fields = FIELDS.map((field) => ({
      ...field,
      value: known ? fieldText(known.criteria, field) : "",
      isChecked: known?.criteria[field.name] === true,
    }));
    formDialog({
      title: known ? `Filter ${known.name}` : "New filter",
      text: "What the filter leaves out is counted, not shown. The desk applies it before anything reaches the browser.",
      fields: [
        { name: "name", label: "Name", kind: "text", value: known?.name ?? "" },
        ...fields,
        { name: "is_shared", label: "For the whole desk", kind: "flag", isChecked: Boolean(known?.is_shared) },
      ],
      yes: "Save",
      ...(known && offers.has("filter.remove") ? { remove: "Remove" } : {}),
      check: (values) => ({ ...readCriteria(values).faults, ...(values["name"] ? {} : { name: "Give it a name." }) }),
      async send(values) {
        const params = {
          name: values["name"],
          criteria: readCriteria(values).criteria,
          is_shared: values["is_shared"] === true,
          ...(known ? { filter: known.id } : {}),
        };
        const answer = await desk.socket.command("filter.save", params);
        if (answer.kind !== "ok") return { text: answer.text, fields: answer.kind === "error" ? answer.fields : {} };
        wanted = answer.value["filter"].id;
        chosen = -1; // read again, then shown
        await read();
        return null;
      },
      async onRemove() {
        const answer = await desk.socket.command("filter.remove", { filter: known?.id });
        if (answer.kind !== "ok") return { text: answer.text, fields: {} };
        toast({ title: `The filter ${known?.name} is removed`, level: "ok" });
        wanted = 0;
        chosen = -1;
        await read();
        return null;
      },
    });
  }

  select.addEventListener("change", () => {
    wanted = Number(select.value);
    choose(wanted);
  });
  edit?.addEventListener("click", () => open(filters.find(({ id }) => id === chosen) ?? null));
  if (edit) edit.hidden = true;
  tools.querySelector("[data-filter-new]")?.addEventListener("click", () => open(null));
  desk.socket.onLink((link) => {
    if (link.state === "live" && !isRead) void read();
  });

  return { chosen: () => Math.max(0, chosen), nameOfChosen: () => filters.find(({ id }) => id === chosen)?.name ?? "" };
}
