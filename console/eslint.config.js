import js from "@eslint/js";
import reactHooks from "eslint-plugin-react-hooks";
import globals from "globals";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "node_modules"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  reactHooks.configs.flat["recommended-latest"],
  {
    languageOptions: {
      globals: globals.browser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "max-lines": ["error", { max: 500, skipBlankLines: true }],
      complexity: ["error", 15],
      // Numbers and booleans in texts are what template strings are for.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // `void promise` marks what is let go on purpose; arrow shorthands that return nothing are plain.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      // The API's answers are typed where they are asked for.
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
    },
  },
  { files: ["*.config.js", "scripts/*.mjs"], extends: [tseslint.configs.disableTypeChecked] },
);
