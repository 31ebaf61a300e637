/** A public channel, for anybody who has the address. */

import { Container, Group, Title } from "@mantine/core";
import { useState } from "react";
import { publicTicketPath } from "../api/early";
import type { SkyriverPlayer } from "../player";
import { Logo } from "../parts/Logo";
import { Player } from "../parts/Player";
import { PlayerFacts } from "../parts/PlayerFacts";
import { AppearanceButton, LanguageButton } from "../parts/Preferences";

export function Watch({ channel }: { channel: string }) {
  const [player, setPlayer] = useState<SkyriverPlayer>();
  return (
    <main className="watch">
      <Container size="xl" py="md">
        <Group justify="space-between" mb="sm">
          <Logo />
          <Group gap="xs">
            <LanguageButton />
            <AppearanceButton />
          </Group>
        </Group>
        <Player ticketPath={publicTicketPath(channel)} onPlayer={setPlayer} />
        <PlayerFacts player={player} />
        <Title order={1} size="h4" mt="sm">
          {channel}
        </Title>
      </Container>
    </main>
  );
}
