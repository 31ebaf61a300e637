import { Alert, Button, Group, Stack } from "@mantine/core";
import { useText } from "../i18n";
import { CopyField } from "./Copy";

interface Props {
  title: string;
  text: string;
  secret: string;
  onDone: () => void;
}

/** A secret that is shown this once. */
export function SecretOnce({ title, text, secret, onDone }: Props) {
  const t = useText();
  return (
    <Alert color="teal" title={text} role="status" mb="md">
      <Stack gap="sm">
        <CopyField label={title} value={secret} />
        <Group>
          <Button size="xs" variant="light" onClick={onDone}>
            {t("done")}
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}
