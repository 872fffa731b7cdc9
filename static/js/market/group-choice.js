/**
 * Which order group an order goes into: the choices of a select, kept true while groups come, trigger and go.
 * A chosen group that takes no orders is never left out silently: it blocks, in words. No DOM but the select.
 */

/** @typedef {import("../orders/group-model.js").Group} Group */

/**
 * Why the chosen group takes no order now; "" when it does, or when none is chosen.
 * @param {Group[]} groups
 * @param {string} groupId
 */
export function groupProblem(groups, groupId) {
  if (!groupId) return "";
  const group = groups.find((each) => each.groupId === groupId);
  if (!group) return "The chosen order group is not in this account any more. Choose another, or none.";
  if (group.state === "triggered")
    return `${group.title} is triggered and takes no order. Reset it, or choose another.`;
  if (!group.isUsable) return `${group.title} is ${group.stateWords} and takes no order. Choose another, or none.`;
  return "";
}

/**
 * What the select offers: none, the groups that take orders, and the chosen one whatever has become of it.
 * @param {Group[]} groups of the account
 * @param {{subaccount: number, chosen: string}} where
 * @returns {{value: string, text: string}[]}
 */
export function groupChoices(groups, { subaccount, chosen }) {
  const offered = groups.filter((group) => group.groupId && group.subaccount === subaccount);
  const shown = offered.filter((group) => group.isUsable || group.state === "triggered" || group.groupId === chosen);
  const choices = shown.map((group) => ({
    value: group.groupId,
    text: group.isUsable ? group.title : `${group.title} (${group.stateWords})`,
  }));
  if (chosen && !shown.some((group) => group.groupId === chosen))
    choices.push({ value: chosen, text: "a group that is gone" });
  return [{ value: "", text: "No group" }, ...choices];
}

/**
 * @param {HTMLSelectElement} select
 * @param {Group[]} groups
 * @param {number} subaccount
 * @param {string} [chosen] what is chosen; else what the select has
 */
export function fillGroupSelect(select, groups, subaccount, chosen = select.value) {
  const choices = groupChoices(groups, { subaccount, chosen });
  const isSame =
    choices.length === select.options.length &&
    choices.every(({ value, text }, at) => select.options[at]?.value === value && select.options[at]?.text === text);
  if (!isSame) select.replaceChildren(...choices.map(({ value, text }) => new Option(text, value)));
  if (select.value !== chosen) select.value = chosen;
}
