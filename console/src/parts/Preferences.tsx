/** Language and light or dark. */

import { ActionIcon, Menu, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useSpeech } from "../i18n";
import { Icon } from "./Icon";

export function LanguageButton() {
  const { language, setLanguage, t } = useSpeech();
  return (
    <Menu position="bottom-end" withArrow>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("language")} title={t("language")}>
          <Icon name="language" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => setLanguage("en")} rightSection={language === "en" ? <Icon name="check" /> : null} lang="en">
          English
        </Menu.Item>
        <Menu.Item onClick={() => setLanguage("zh")} rightSection={language === "zh" ? <Icon name="check" /> : null} lang="zh-CN">
          中文
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

export function AppearanceButton() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  const { t } = useSpeech();
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      aria-label={t("appearance")}
      title={t("appearance")}
      onClick={() => setColorScheme(dark ? "light" : "dark")}
    >
      <Icon name={dark ? "sun" : "moon"} />
    </ActionIcon>
  );
}
