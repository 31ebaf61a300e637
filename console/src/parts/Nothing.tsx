/** There is nothing at this address: say so, and lead on. */

import { Button, Center, Stack, Title } from "@mantine/core";
import { Link } from "wouter";
import { Icon } from "./Icon";

export function Nothing({ text, href, link }: { text: string; href: string; link: string }) {
  return (
    <Center mih="50vh">
      <Stack align="center" ta="center" className="nothing">
        <Icon name="warning" />
        <Title order={1} size="h3">
          {text}
        </Title>
        <Button component={Link} href={href} variant="light">
          {link}
        </Button>
      </Stack>
    </Center>
  );
}
