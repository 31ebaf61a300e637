/** Signing in, beside the public demo where there is one: the cloud shows what it does before it asks who comes. */

import { Button, Container, Grid, Group, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useCallback, useState, type SubmitEvent } from "react";
import { DEMO_CHANNEL, publicTicketPath } from "../api/early";
import { useSession } from "../app/session";
import { useText } from "../i18n";
import { Logo } from "../parts/Logo";
import { Player } from "../parts/Player";
import { AppearanceButton, LanguageButton } from "../parts/Preferences";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";
import { useHasDemo } from "../parts/useHasDemo";

export function Login() {
  const t = useText();
  const [hasDemo, onPlayer] = useHasDemo();
  return (
    <main className="login">
      <Container size="lg" w="100%" py="md">
        <Group justify="space-between" mb="lg">
          <Logo />
          <Group gap="xs">
            <LanguageButton />
            <AppearanceButton />
          </Group>
        </Group>
        <Grid gap="xl" align="center" justify="center">
          {hasDemo && (
            <Grid.Col span={{ base: 12, md: 7 }}>
              <Text fw={600} mb="xs">
                {t("demo_on_air")}
              </Text>
              <Player ticketPath={publicTicketPath(DEMO_CHANNEL)} onPlayer={onPlayer} />
              <Text c="dimmed" mt="sm">
                {t("tagline")}
              </Text>
            </Grid.Col>
          )}
          <Grid.Col span={{ base: 12, sm: 8, md: 5 }}>
            <SignInForm />
          </Grid.Col>
        </Grid>
      </Container>
    </main>
  );
}

function SignInForm() {
  const { signIn } = useSession();
  const t = useText();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [tenant, setTenant] = useState("");
  const [failed, setFailed] = useState(false);
  const enter = useCallback(async () => {
    try {
      await signIn(email.trim(), password, tenant.trim());
    } catch (error) {
      setFailed(true);
      throw error;
    }
  }, [signIn, email, password, tenant]);
  const action = useAction(enter);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    action.run();
  };
  return (
    <Paper withBorder shadow="sm" p="lg" radius="lg">
      <form onSubmit={submit}>
        <Stack>
          <Title order={1} size="h3">
            {t("sign_in")}
          </Title>
          <Trouble error={action.error} />
          <TextInput
            label={t("email")}
            type="email"
            name="email"
            autoComplete="username"
            required
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          <PasswordInput
            label={t("password")}
            name="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          {failed && (
            <TextInput
              label={t("tenant")}
              description={t("tenant_hint")}
              name="tenant"
              value={tenant}
              onChange={(event) => setTenant(event.currentTarget.value)}
            />
          )}
          <Button type="submit" loading={action.busy} fullWidth>
            {t("sign_in")}
          </Button>
        </Stack>
      </form>
    </Paper>
  );
}
