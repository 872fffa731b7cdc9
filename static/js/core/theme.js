/** Dark or light: at once on this page, and kept for the next one by a cookie that the server reads. */

/** @typedef {"dark" | "light"} Theme */

/**
 * @param {string | undefined} current
 * @returns {Theme}
 */
export function otherTheme(current) {
  return current === "light" ? "dark" : "light";
}

/**
 * @param {Theme} theme
 * @param {{documentElement: {dataset: DOMStringMap}, cookie: string}} page
 * @param {boolean} isSecure
 */
export function applyTheme(theme, page, isSecure) {
  page.documentElement.dataset["theme"] = theme;
  page.cookie = `desk-theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${isSecure ? "; Secure" : ""}`;
}
