/** Small helpers to build DOM out of data, always as text. */

/**
 * @param {string} tag
 * @param {{class?: string, text?: string, attributes?: Record<string, string>}} [options]
 * @param {(Node | string)[]} [children]
 */
export function element(tag, { class: css = "", text, attributes = {} } = {}, children = []) {
  const node = document.createElement(tag);
  if (css) node.className = css;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** @param {string} name one of the icon templates of _overlays.html */
export function iconNode(name) {
  const template = /** @type {HTMLTemplateElement | null} */ (
    document.querySelector(`template[data-icon="${CSS.escape(name)}"]`)
  );
  return template ? template.content.cloneNode(true) : document.createTextNode("");
}

/**
 * Write only what changed, so that nothing flickers and screen readers stay quiet.
 * @param {Element | null} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

/** @param {Element | null} node @param {string} name @param {string} value */
export function setAttribute(node, name, value) {
  if (node && node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** The token that a form on this page carries; the cookie itself is not readable by scripts. */
export function csrfToken() {
  const input = /** @type {HTMLInputElement | null} */ (document.querySelector("input[name=csrfmiddlewaretoken]"));
  return input?.value ?? "";
}
