/**
 * Table rows by key: what did not change stays the same element, with its focus, its selection and its place. A list of
 * hundreds of orders is drawn anew with each message about one of them.
 */

/**
 * @typedef {object} KeyedRow
 * @property {string} key
 * @property {object} of what it shows: the same object means the same row
 * @property {() => HTMLTableRowElement} make
 */

/** @param {HTMLElement} body */
export function createKeyedRows(body) {
  /** @type {Map<string, {of: object, line: HTMLTableRowElement}>} */
  let shown = new Map();

  return {
    /** @param {KeyedRow[]} rows in the order in which they stand, each key once */
    show(rows) {
      const next = new Map();
      for (const { key, of, make } of rows) {
        const known = shown.get(key);
        if (known?.of === of) {
          next.set(key, known);
          continue;
        }
        const line = make();
        next.set(key, { of, line });
        if (known) {
          const isFocused = known.line.contains(document.activeElement);
          known.line.replaceWith(line);
          // A row has one control: its cancel.
          if (isFocused) /** @type {HTMLElement | null} */ (line.querySelector("button"))?.focus();
        }
      }
      for (const [key, { line }] of shown) if (!next.has(key)) line.remove();
      shown = next;
      let at = body.firstElementChild;
      for (const { line } of next.values()) {
        if (at !== null && line === at) at = at.nextElementSibling;
        else body.insertBefore(line, at);
      }
    },
    /** Make every row anew the next time: the way in which they are drawn has changed. */
    forget() {
      shown = new Map();
      body.replaceChildren();
    },
  };
}
