/** One channel on the wall: its picture, its state in the colour of the border, what is wrong, its sound, its input. */

import { memo, useCallback, type KeyboardEvent } from "react";
import { ownTicketPath } from "../../api/early";
import { useChannelEvent, useSightEvent } from "../../api/live";
import type { Alarm, Channel, ChannelState } from "../../api/types";
import { formatBps } from "../../format";
import { useText } from "../../i18n";
import { useAlarmName } from "../AlarmList";
import { InputSwitch } from "../InputSwitch";
import { Meter } from "./Meter";
import { WallPlayer } from "./WallPlayer";

interface Props {
  channel: Channel;
  /** Of this channel, gravest first. */
  alarms: readonly Alarm[];
  /** Whether there is room for another picture. */
  plays: boolean;
  /** The one tile whose sound is heard. */
  heard: boolean;
  onHear: (id: string) => void;
  onOpen: (slug: string) => void;
}

export const Tile = memo(function Tile({ channel, alarms, plays, heard, onHear, onOpen }: Props) {
  const t = useText();
  const nameOf = useAlarmName();
  const state = useChannelEvent(channel.id)?.state ?? channel.state;
  const worst = alarms.find((alarm) => !alarm.acknowledged_at) ?? alarms[0];
  const onKey = useCallback(
    (key: KeyboardEvent) => {
      if (key.target !== key.currentTarget) return;
      if (key.key === "Enter") onOpen(channel.slug);
      else if (key.key === "m") onHear(channel.id);
      else return;
      key.preventDefault();
    },
    [channel, onHear, onOpen],
  );
  const running = state !== "offline";
  return (
    <section
      className={`tile ${levelOf(state, worst)}`}
      tabIndex={0}
      data-channel={channel.slug}
      aria-label={[`${channel.name}: ${t(state)}`, worst && nameOf(worst)].filter(Boolean).join(", ")}
      onKeyDown={onKey}
      onDoubleClick={() => onOpen(channel.slug)}
    >
      <div className="tile-picture">
        {plays && running ? (
          <WallPlayer ticketPath={ownTicketPath(channel.slug)} muted={!heard} />
        ) : (
          <div className="tile-dark">{t(running ? "wall_no_room" : "offline")}</div>
        )}
        {worst && (
          <p className="tile-alarm">
            <b>{nameOf(worst)}</b>
            {alarms.length > 1 && ` +${alarms.length - 1}`}
          </p>
        )}
      </div>
      <header className="tile-head">
        <span className="tile-name">{channel.name}</span>
        <span className={`tile-state ${state}`}>{t(state)}</span>
      </header>
      <Facts channel={channel} />
      <div className="tile-buttons">
        <button type="button" aria-pressed={heard} onClick={() => onHear(channel.id)} disabled={!running || !plays}>
          {t(heard ? "wall_mute" : "wall_hear")}
        </button>
        {running && <InputSwitch channel={channel} small />}
      </div>
    </section>
  );
});

/** The colour of the border. */
function levelOf(state: ChannelState, worst: Alarm | undefined): string {
  if (worst) return worst.acknowledged_at ? `${worst.severity} taken` : worst.severity;
  return state === "offline" ? "off" : "fine";
}

/** Viewers, input and sound. */
function Facts({ channel }: { channel: Channel }) {
  const t = useText();
  const event = useChannelEvent(channel.id);
  const sound = useSightEvent(channel.id)?.sound;
  const input = event ? event.input : channel.input;
  const loudness = sound?.short_term_lufs;
  return (
    <>
      <div className="tile-facts">
        <span>{t("wall_viewers", { count: event?.viewers ?? channel.viewers })}</span>
        <span>{input ? `${input.height}p · ${formatBps(input.bitrate_bps)}` : "–"}</span>
        {loudness != null && <span>{`${loudness.toFixed(0)} LUFS`}</span>}
      </div>
      <Meter levels={input && sound ? sound.levels_dbfs : []} label={t("wall_sound")} />
    </>
  );
}
