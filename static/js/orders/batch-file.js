/** The text of a file that somebody opened, or why it is no table. No DOM here. */

const NOT_TEXT = "is not a table in plain text. In the spreadsheet, save it as CSV, then open that file.";

/**
 * @param {ArrayBuffer} bytes
 * @returns {{text: string} | {error: string}} error: goes on after the file's name
 */
export function readTableFile(bytes) {
  const [first, second] = new Uint8Array(bytes);
  // "Unicode text" of a spreadsheet.
  const encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    // A picture or a workbook may decode by chance; no table holds such signs.
    // eslint-disable-next-line no-control-regex
    if (/[\u0000-\u0008\u000e-\u001f]/.test(text)) return { error: NOT_TEXT };
    return text.trim() ? { text } : { error: "is empty." };
  } catch {
    return { error: NOT_TEXT };
  }
}
