import { Alert, Button, Group } from "@mantine/core";
import { ApiError } from "../api/client";
import { isTextKey, useText } from "../i18n";
import { Icon } from "./Icon";

/** An error, in the words of whoever raised it, with its hint and a way to go on. */
export function Trouble({ error, retry }: { error: unknown; retry?: () => void }) {
  const t = useText();
  if (error === undefined || error === null) return null;
  const own = error instanceof ApiError ? `problem_${error.code}` : "";
  const message = isTextKey(own) ? t(own) : error instanceof Error ? error.message : JSON.stringify(error);
  const hint = error instanceof ApiError && !isTextKey(own) ? error.hint : "";
  return (
    <Alert color="red" icon={<Icon name="warning" />} title={message} role="alert">
      <Group justify="space-between">
        {hint}
        {retry && (
          <Button size="xs" variant="light" color="red" onClick={retry}>
            {t("retry")}
          </Button>
        )}
      </Group>
    </Alert>
  );
}
