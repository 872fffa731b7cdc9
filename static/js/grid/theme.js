/** What every AG Grid of the desk shares: its modules, its look, and the policy's nonce. */
import { AllCommunityModule, ModuleRegistry, themeQuartz } from "../../vendor/ag-grid-community.js";

ModuleRegistry.registerModules([AllCommunityModule]);

export const TINT_MS = 400;
export const NARROW_PX = 760;

// Meaning comes from static/css/tokens.css, so that dark, light and the other palette follow by themselves.
export const gridTheme = themeQuartz.withParams({
  accentColor: "var(--color-accent)",
  backgroundColor: "var(--color-panel)",
  foregroundColor: "var(--color-text)",
  borderColor: "var(--color-line)",
  headerBackgroundColor: "var(--color-panel)",
  headerTextColor: "var(--color-muted)",
  headerFontWeight: 500,
  headerFontSize: 10.5,
  dataFontSize: 12.5,
  fontFamily: "var(--font)",
  rowHoverColor: "var(--color-hover)",
  rowHeight: 26,
  headerHeight: 26,
  cellHorizontalPadding: 8,
  wrapperBorder: false,
  wrapperBorderRadius: 0,
  headerColumnResizeHandleColor: "transparent",
  valueChangeValueHighlightBackgroundColor: "var(--color-accent-soft)",
  rangeSelectionBorderColor: "var(--color-accent)",
  tooltipBackgroundColor: "var(--color-raised)",
  tooltipTextColor: "var(--color-text)",
});

/** The page's nonce: the grid's own style elements carry it. */
export function pageNonce() {
  return /** @type {HTMLMetaElement | null} */ (document.querySelector("meta[name=csp-nonce]"))?.nonce ?? "";
}
