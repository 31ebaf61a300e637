/** Text that is there to be copied: keys, addresses, commands. */

import { ActionIcon, CopyButton, Group, Text, Tooltip } from "@mantine/core";
import { useText } from "../i18n";
import { Icon } from "./Icon";

function CopyIcon({ value }: { value: string }) {
  const t = useText();
  return (
    <CopyButton value={value} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={t(copied ? "copied" : "copy")}>
          <ActionIcon
            variant="light"
            size="lg"
            color={copied ? "teal" : "river"}
            onClick={copy}
            aria-label={t(copied ? "copied" : "copy")}
          >
            <Icon name={copied ? "check" : "copy"} />
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

/** A labelled value. */
export function CopyField({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <Text size="sm" fw={500} mb={4}>
        {label}
      </Text>
      <CopyCode value={value} />
    </div>
  );
}

/** A block of text as it is typed into a terminal or a page. */
export function CopyCode({ value }: { value: string }) {
  return (
    <Group gap="xs" align="flex-start" wrap="nowrap">
      <pre className="code" tabIndex={0}>
        {value}
      </pre>
      <CopyIcon value={value} />
    </Group>
  );
}
