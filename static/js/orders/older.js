/** Pages of rows that are older than the live topic keeps, and the counts of all tabs. */
import { rowsAddress } from "./choice.js";
import { DeskRefusal, fetchRows } from "./desk-http.js";

/** @typedef {import("./desk-http.js").RowsPage} RowsPage */

const PAGE_ROWS = 200;
const COUNTS_MS = 1_500;

/**
 * @param {object} options
 * @param {string} options.rowsUrl
 * @param {() => import("./row-model.js").Choice} options.choice
 * @param {(page: RowsPage) => void} options.onPage
 * @param {(page: RowsPage) => void} options.onCounts only counts and titles of it are meant
 * @param {(words: string) => void} options.onError
 */
export function createOlderRows({ rowsUrl, choice, onPage, onCounts, onError }) {
  /** Where the next page of this choice begins; "": at the newest; null: nothing older. @type {string | null} */
  let next = "";
  let isLoading = false;
  let asked = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let counting;

  return {
    /** What the server still has of this choice. @returns {"unread" | "more" | "none"} */
    get left() {
      if (next === null) return "none";
      return next === "" ? "unread" : "more";
    },
    get isLoading() {
      return isLoading;
    },
    /** Another choice: begin anew, and forget what is on its way. */
    reset() {
      asked.abort();
      asked = new AbortController();
      isLoading = false;
      next = "";
    },
    async load() {
      if (isLoading || next === null) return;
      isLoading = true;
      const { signal } = asked;
      try {
        const page = await fetchRows(rowsAddress(rowsUrl, choice(), { after: next, limit: PAGE_ROWS }), signal);
        next = page.next;
        isLoading = false;
        onPage(page);
      } catch (error) {
        if (signal.aborted) return;
        isLoading = false;
        onError(error instanceof DeskRefusal ? error.message : "The desk cannot be reached.");
      }
    },
    /** The counts of what has ended come from the server; a burst of changes asks once. */
    recount() {
      counting ??= setTimeout(async () => {
        counting = undefined;
        try {
          onCounts(await fetchRows(rowsAddress(rowsUrl, choice(), { after: "", limit: 1 }), asked.signal));
        } catch {
          // The next change asks again; the link's own banner says when the desk is away.
        }
      }, COUNTS_MS);
    },
  };
}
