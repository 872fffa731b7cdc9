/** Keyboard shortcuts: one registry, so that `?` can list all that works on the page. No DOM at import. */

/**
 * @typedef {object} Shortcut
 * @property {string} keys "Ctrl+K", "Shift+D", "?", "g m" (one after the other)
 * @property {string} label
 * @property {string} [group]
 * @property {boolean} [whileTyping] also inside a text field
 * @property {() => boolean} [when] only while this holds
 * @property {boolean} [isSingle] once per press: not again while the key is held down
 * @property {() => void} run
 */

/** @typedef {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean,
 *   repeat?: boolean}} Press */

/**
 * @param {Press} press
 * @param {string} combination one step, such as "Ctrl+K"; Ctrl also matches Cmd
 */
export function matches(press, combination) {
  const parts = combination.split("+");
  const key = parts.pop() || "+";
  const wantsControl = parts.includes("Ctrl");
  if (wantsControl !== (press.ctrlKey || press.metaKey)) return false;
  if (parts.includes("Alt") !== press.altKey) return false;
  // For a sign such as "?" the layout decides whether Shift is held.
  const isLetter = /^[a-z]$/i.test(key) || key.length > 1;
  if (isLetter && parts.includes("Shift") !== press.shiftKey) return false;
  return press.key.toLowerCase() === key.toLowerCase();
}

/** @param {() => number} now */
export function createKeys(now = Date.now) {
  /** @type {Shortcut[]} */
  const shortcuts = [];
  /** @type {{press: Press, at: number} | null} */
  let previous = null;

  /** @param {Shortcut} shortcut @param {Press} press */
  function isCalled(shortcut, press) {
    const steps = shortcut.keys.split(" ");
    if (steps.length === 1) return matches(press, shortcut.keys);
    return (
      previous !== null &&
      now() - previous.at < 1_000 &&
      matches(previous.press, steps[0] ?? "") &&
      matches(press, steps[1] ?? "")
    );
  }

  /** The first half of "g m" was pressed a moment ago, so the next key is meant for the second. */
  function isWithinSequence() {
    if (previous === null || now() - previous.at >= 1_000) return false;
    const { press } = previous;
    return shortcuts.some(({ keys }) => keys.includes(" ") && matches(press, keys.split(" ")[0] ?? ""));
  }

  /** @param {Shortcut} shortcut */
  const isSequence = (shortcut) => shortcut.keys.includes(" ");

  return {
    /** @param {Shortcut} shortcut */
    register(shortcut) {
      shortcuts.push(shortcut);
      return () => {
        const at = shortcuts.indexOf(shortcut);
        if (at >= 0) shortcuts.splice(at, 1);
      };
    },
    /**
     * Run what the key means; returns whether something ran. The newest registration wins.
     * @param {Press} press
     * @param {{isTyping: boolean}} where
     */
    handle(press, { isTyping }) {
      const called = shortcuts.filter(
        (item) => (item.whileTyping || !isTyping) && (item.when?.() ?? true) && isCalled(item, press),
      );
      // After "g", a key that trades must not act when a page was meant.
      const usable = isWithinSequence() ? called.filter((item) => !item.isSingle) : called;
      const found = usable.findLast(isSequence) ?? usable.at(-1);
      previous = isTyping ? null : { press, at: now() };
      if (!found) return false;
      previous = null;
      if (!(found.isSingle && press.repeat)) found.run();
      return true;
    },
    list: () => [...shortcuts],
  };
}
