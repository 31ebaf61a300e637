import { Badge, createTheme, type MantineColorsTuple } from "@mantine/core";

/** The river at night: the blue of the logo, from mist to depth. */
const river: MantineColorsTuple = [
  "#e7f5ff", "#cfe8fc", "#9fd0f8", "#6cb6f3", "#439fef", "#2990ed", "#1988ed", "#0874d3", "#0067be", "#0059a8",
];

export const theme = createTheme({
  primaryColor: "river",
  primaryShade: { light: 7, dark: 5 },
  colors: { river },
  defaultRadius: "md",
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono", monospace',
  cursorType: "pointer",
  // A state must be read whole, also in a narrow table.
  components: { Badge: Badge.extend({ styles: { root: { minWidth: "max-content" } } }) },
});
