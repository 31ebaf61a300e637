/** The frame around every page of a signed-in person. */

import { AppShell, Avatar, Badge, Burger, Group, Menu, NavLink, ScrollArea, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { useAlarms, useConnected } from "../api/live";
import type { Alarm, Me } from "../api/types";
import { useText, type TextKey } from "../i18n";
import { Icon, type IconName } from "../parts/Icon";
import { Logo } from "../parts/Logo";
import { AppearanceButton, LanguageButton } from "../parts/Preferences";
import { useSession } from "./session";

interface Entry {
  path: string;
  key: TextKey;
  icon: IconName;
  needs?: "operator" | "admin";
}

const ENTRIES: Entry[] = [
  { path: "/", key: "overview", icon: "overview" },
  { path: "/channels", key: "channels", icon: "channel" },
  { path: "/recordings", key: "recordings", icon: "record" },
  { path: "/files", key: "files", icon: "film" },
  { path: "/alarms", key: "alarms", icon: "warning" },
  { path: "/wall", key: "wall", icon: "eye" },
  { path: "/sites", key: "sites", icon: "site", needs: "operator" },
  { path: "/usage", key: "usage", icon: "usage" },
  { path: "/api-keys", key: "api_keys", icon: "key", needs: "admin" },
  { path: "/webhooks", key: "webhooks", icon: "bolt", needs: "admin" },
  { path: "/users", key: "users", icon: "users" },
  { path: "/audit", key: "audit", icon: "audit", needs: "admin" },
];

export function Shell({ me, children }: { me: Me; children: ReactNode }) {
  const [opened, { toggle, close }] = useDisclosure();
  const t = useText();
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 216, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <AppShell.Header px="md">
        <Group h="100%" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t("menu")} />
            <Logo />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Connection />
            <LanguageButton />
            <AppearanceButton />
            <Account me={me} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" component="nav">
        <ScrollArea>
          <Entries me={me} onChosen={close} />
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main>{children}</AppShell.Main>
    </AppShell>
  );
}

function Entries({ me, onChosen }: { me: Me; onChosen: () => void }) {
  const [path] = useLocation();
  const { may } = useSession();
  const t = useText();
  const alarms = useAlarms();
  const allowed = (entry: Entry): boolean =>
    entry.needs === "operator" ? me.is_operator && may("admin") : entry.needs !== "admin" || may("admin");
  return ENTRIES.filter(allowed).map((entry) => (
    <NavLink
      key={entry.path}
      component={Link}
      href={entry.path}
      label={t(entry.key)}
      leftSection={<Icon name={entry.icon} />}
      rightSection={entry.path === "/alarms" && alarms.length > 0 ? <AlarmCount alarms={alarms} /> : undefined}
      active={entry.path === "/" ? path === "/" : path.startsWith(entry.path)}
      onClick={onChosen}
      className="nav-entry"
    />
  ));
}

function AlarmCount({ alarms }: { alarms: readonly Alarm[] }) {
  const critical = alarms.some((alarm) => alarm.severity === "critical");
  return (
    <Badge size="sm" color={critical ? "red" : "orange"} circle>
      {alarms.length}
    </Badge>
  );
}

function Connection() {
  const connected = useConnected();
  const t = useText();
  const label = t(connected ? "live_data" : "live_data_lost");
  return (
    <Tooltip label={label}>
      <Badge
        variant="dot"
        color={connected ? "teal" : "orange"}
        role="status"
        aria-label={label}
        className="connection"
        tt="none"
      >
        <span className="wide-only">{label}</span>
      </Badge>
    </Tooltip>
  );
}

function Account({ me }: { me: Me }) {
  const { signOut } = useSession();
  const t = useText();
  const name = me.user?.name || me.user?.email || me.id;
  return (
    <Menu position="bottom-end" withArrow>
      <Menu.Target>
        <UnstyledButton aria-label={name}>
          <Avatar size={32} radius="xl" color="river" name={name} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm" fw={600}>{name}</Text>
          <Text size="xs">{`${me.tenant.name} · ${t(me.role)}`}</Text>
        </Menu.Label>
        <Menu.Item leftSection={<Icon name="leave" />} onClick={() => void signOut()}>
          {t("sign_out")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
