import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["node_modules/", "var/", ".venv/"] },
  js.configs.recommended,
  {
    files: ["static/js/**/*.js"],
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: globals.browser },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      // Data reaches the page as text; a policy forbids the rest anyway.
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Build nodes with textContent." },
        { property: "outerHTML", message: "Build nodes with textContent." },
        { property: "insertAdjacentHTML", message: "Build nodes with textContent." },
      ],
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
    },
  },
  {
    // Pure state: no page, no network. What they need is passed in.
    files: ["static/js/core/**/*.js"],
    rules: { "no-restricted-globals": ["error", "document", "window", "fetch", "localStorage"] },
  },
  {
    files: ["tests/js/**/*.js"],
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: { ...globals.node, ...globals.browser } },
  },
];
