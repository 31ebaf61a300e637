/** Providers, and which page an address shows. */

import { Button, Center, Loader, MantineProvider, Stack, Text } from "@mantine/core";
import { lazy, Suspense } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { LanguageProvider, useText } from "../i18n";
import { Login } from "../pages/Login";
import { Overview } from "../pages/Overview";
import { Nothing } from "../parts/Nothing";
import { Watch } from "../pages/Watch";
import { SessionProvider, useSession } from "./session";
import { Shell } from "./Shell";
import { theme } from "./theme";

// The first screens are in the first bundle; the others come when they are asked for.
const Channels = lazy(() => import("../pages/Channels"));
const NewChannel = lazy(() => import("../pages/NewChannel"));
const ChannelPage = lazy(() => import("../pages/ChannelPage"));
const Studio = lazy(() => import("../pages/Studio"));
const Recordings = lazy(() => import("../pages/Recordings"));
const Files = lazy(() => import("../pages/Files"));
const RecordingPage = lazy(() => import("../pages/RecordingPage"));
const Sites = lazy(() => import("../pages/Sites"));
const UsagePage = lazy(() => import("../pages/UsagePage"));
const ApiKeys = lazy(() => import("../pages/ApiKeys"));
const Users = lazy(() => import("../pages/Users"));
const Alarms = lazy(() => import("../pages/Alarms"));
const Wall = lazy(() => import("../pages/Wall"));
const Webhooks = lazy(() => import("../pages/Webhooks"));
const Audit = lazy(() => import("../pages/Audit"));

export function App() {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <LanguageProvider>
        <SessionProvider>
          <Pages />
        </SessionProvider>
      </LanguageProvider>
    </MantineProvider>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/watch/:tenant/:channel">
        {({ tenant, channel }) => <Watch key={`${tenant}/${channel}`} channel={`${tenant}/${channel}`} />}
      </Route>
      <Route>
        <SignedIn />
      </Route>
    </Switch>
  );
}

function SignedIn() {
  const { me, error, reload } = useSession();
  const t = useText();
  const [path] = useLocation();
  if (error !== undefined && !me) {
    return (
      <Center h="100vh">
        <Stack align="center">
          <Text>{error}</Text>
          <Button onClick={reload}>{t("retry")}</Button>
        </Stack>
      </Center>
    );
  }
  if (me === undefined) return <Waiting />;
  if (me === null) return <Login />;
  if (path === "/login") return <Redirect to="/" replace />;
  if (path === "/wall") {
    return (
      <Suspense fallback={<Waiting />}>
        <Wall />
      </Suspense>
    );
  }
  return (
    <Shell me={me}>
      <Suspense fallback={<Waiting />}>
        <Switch>
          <Route path="/">
            <Overview />
          </Route>
          <Route path="/channels">
            <Channels />
          </Route>
          <Route path="/channels/new">
            <NewChannel />
          </Route>
          <Route path="/channels/:slug">{({ slug }) => <ChannelPage key={slug} slug={slug} />}</Route>
          <Route path="/channels/:slug/recordings">{({ slug }) => <Recordings key={slug} slug={slug} />}</Route>
          <Route path="/recordings">
            <Recordings />
          </Route>
          <Route path="/recordings/:id">{({ id }) => <RecordingPage key={id} id={id} />}</Route>
          <Route path="/files">
            <Files />
          </Route>
          <Route path="/studio/:slug">{({ slug }) => <Studio key={slug} slug={slug} />}</Route>
          <Route path="/sites">
            <Sites />
          </Route>
          <Route path="/usage">
            <UsagePage />
          </Route>
          <Route path="/api-keys">
            <ApiKeys />
          </Route>
          <Route path="/users">
            <Users />
          </Route>
          <Route path="/alarms">
            <Alarms />
          </Route>
          <Route path="/webhooks">
            <Webhooks />
          </Route>
          <Route path="/audit">
            <Audit />
          </Route>
          <Route>
            <Missing />
          </Route>
        </Switch>
      </Suspense>
    </Shell>
  );
}

function Waiting() {
  const t = useText();
  return (
    <Center mih="60vh">
      <Loader aria-label={t("loading")} />
    </Center>
  );
}

function Missing() {
  const t = useText();
  return <Nothing text={t("not_found")} href="/" link={t("to_overview")} />;
}
