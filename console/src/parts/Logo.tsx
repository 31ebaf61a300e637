import { Group, Text } from "@mantine/core";
import { Link } from "wouter";
import { useText } from "../i18n";

export function Logo() {
  const t = useText();
  return (
    <Link href="/" aria-label={t("skyriver")} style={{ textDecoration: "none", color: "inherit" }}>
      <Group gap={8} wrap="nowrap">
        <img src="/favicon.svg" width={28} height={28} alt="" />
        <Text fw={700} size="lg">
          {t("skyriver")}
        </Text>
      </Group>
    </Link>
  );
}
