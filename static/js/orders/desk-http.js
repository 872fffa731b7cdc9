/** What the Orders page asks of the desk over HTTP: older rows, and cancels of several orders. */
import { csrfToken } from "../frame/dom.js";

/** The desk's own words for why something did not happen. */
export class DeskRefusal extends Error {}

/**
 * @typedef {{rows: Record<string, any>[], next: string | null, counts: Record<string, number>, titles: Record<string, string>}} RowsPage
 */

/** @param {Response} response */
async function read(response) {
  const body = await response.json().catch(() => null);
  if (response.redirected || response.status === 401)
    throw new DeskRefusal("You are signed out. Reload the page to sign in again.");
  if (!response.ok || body === null)
    throw new DeskRefusal(body?.error ?? `The desk answered ${response.status}. Try again.`);
  return body;
}

/**
 * @param {string} address
 * @param {AbortSignal} signal
 * @returns {Promise<RowsPage>}
 */
export async function fetchRows(address, signal) {
  return read(await fetch(address, { headers: { Accept: "application/json" }, signal }));
}

/**
 * @param {string} address
 * @param {Record<string, string | string[]>} fields
 * @returns {Promise<Record<string, any>>}
 */
export async function post(address, fields) {
  const body = new URLSearchParams({ csrfmiddlewaretoken: csrfToken() });
  for (const [name, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) body.append(name, one);
  }
  return read(await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } }));
}
