/** Plays a recording: HLS in a video element, and a bar to scrub that shows the picture under the pointer. */

import { ActionIcon, Box, Group, Text } from "@mantine/core";
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type RefObject } from "react";
import { clockText, type PlayTicket } from "../api/recordings";
import { useText } from "../i18n";
import { loadLibrary } from "../player/hls/library";
import { Icon } from "./Icon";
import { parseSprites, spriteAt, type Sprite } from "./sprites";

interface Props {
  ticket: PlayTicket;
  video: RefObject<HTMLVideoElement | null>;
  /** The marked stretch, in the player's seconds. */
  marks: { from?: number; to?: number };
  onTime: (seconds: number, duration: number) => void;
}

const STEP_S = 5;

export function RecordingPlayer({ ticket, video, marks, onTime }: Props) {
  const t = useText();
  const [playing, setPlaying] = useState(false);
  const [time, setTime] = useState(0);
  const [duration, setDuration] = useState(0);
  const [failed, setFailed] = useState(false);
  const sprites = useSprites(ticket.thumbnails_url);
  useHls(ticket.hls_url, video, setFailed);

  const told = (): void => {
    const element = video.current;
    if (!element) return;
    const length = Number.isFinite(element.duration) ? element.duration : seekableEnd(element);
    setTime(element.currentTime);
    setDuration(length);
    onTime(element.currentTime, length);
  };
  const seek = (seconds: number): void => {
    seekTo(video.current, Math.min(Math.max(0, seconds), Math.max(0, duration - 0.05)));
  };
  const toggle = (): void => {
    const element = video.current;
    if (element?.paused) void element.play();
    else element?.pause();
  };
  return (
    <Box>
      <video
        ref={video}
        className="recording-video"
        playsInline
        preload="metadata"
        poster={ticket.poster_url}
        onClick={toggle}
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onTimeUpdate={told}
        onDurationChange={told}
        onSeeked={told}
      />
      <Group gap="xs" mt="xs" wrap="nowrap">
        <ActionIcon variant="light" size="lg" onClick={toggle} aria-label={t(playing ? "pause" : "play")}>
          <Icon name={playing ? "pause" : "play"} />
        </ActionIcon>
        <ScrubBar time={time} duration={duration} sprites={sprites} marks={marks} onSeek={seek} />
        <Text size="sm" className="recording-clock">
          {clockText(time)} / {clockText(duration)}
        </Text>
      </Group>
      {failed && (
        <Text c="red" size="sm" role="alert">
          {t("recording_unplayable")}
        </Text>
      )}
    </Box>
  );
}

interface BarProps {
  time: number;
  duration: number;
  sprites: Sprite[];
  marks: { from?: number; to?: number };
  onSeek: (seconds: number) => void;
}

function ScrubBar({ time, duration, sprites, marks, onSeek }: BarProps) {
  const t = useText();
  const bar = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<{ share: number; seconds: number }>();
  const share = (seconds: number): string => `${duration > 0 ? (100 * Math.min(seconds, duration)) / duration : 0}%`;
  const placeOf = (event: PointerEvent): { share: number; seconds: number } => {
    const box = bar.current?.getBoundingClientRect();
    const at = box && box.width > 0 ? Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) : 0;
    return { share: at, seconds: at * duration };
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: -STEP_S, ArrowRight: STEP_S, PageUp: 60, PageDown: -60 }[event.key];
    if (step !== undefined) onSeek(time + step);
    else if (event.key === "Home") onSeek(0);
    else if (event.key === "End") onSeek(duration);
    else return;
    event.preventDefault();
  };
  const sprite = hover && spriteAt(sprites, hover.seconds);
  return (
    <div
      ref={bar}
      className="scrub"
      role="slider"
      tabIndex={0}
      aria-label={t("position")}
      aria-valuemin={0}
      aria-valuemax={Math.round(duration)}
      aria-valuenow={Math.round(time)}
      aria-valuetext={clockText(time)}
      onKeyDown={onKey}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        onSeek(placeOf(event).seconds);
      }}
      onPointerMove={(event) => {
        const place = placeOf(event);
        setHover(place);
        if (event.buttons === 1) onSeek(place.seconds);
      }}
      onPointerLeave={() => setHover(undefined)}
    >
      <div className="scrub-rail">
        {marks.from !== undefined && (
          <div className="scrub-marked" style={{ left: share(marks.from), right: `calc(100% - ${share(marks.to ?? time)})` }} />
        )}
        <div className="scrub-played" style={{ width: share(time) }} />
      </div>
      {hover && duration > 0 && (
        <div className="scrub-hover" style={{ left: `clamp(80px, ${hover.share * 100}%, calc(100% - 80px))` }}>
          {sprite && (
            <div
              className="scrub-picture"
              style={{
                width: sprite.width,
                height: sprite.height,
                backgroundImage: `url("${sprite.sheet}")`,
                backgroundPosition: `-${sprite.x}px -${sprite.y}px`,
              }}
            />
          )}
          <span>{clockText(hover.seconds)}</span>
        </div>
      )}
    </div>
  );
}

function useHls(url: string, video: RefObject<HTMLVideoElement | null>, setFailed: (failed: boolean) => void): void {
  useEffect(() => {
    let gone = false;
    let end = (): void => undefined;
    void loadLibrary().then((Hls) => {
      const element = video.current;
      if (gone || !element) return;
      setFailed(false);
      if (!Hls.isSupported()) {
        element.src = url; // a browser that plays HLS itself
        return;
      }
      // A running show is watched from its beginning here: whoever wants its newest picture watches the channel.
      const hls = new Hls({ startPosition: 0, liveSyncDurationCount: 2, backBufferLength: 60 });
      hls.on(Hls.Events.ERROR, (_event, data) => {
        if (data.fatal) setFailed(true);
      });
      hls.loadSource(url);
      hls.attachMedia(element);
      end = () => hls.destroy();
    });
    return () => {
      gone = true;
      end();
    };
  }, [url, video, setFailed]);
}

function useSprites(url: string): Sprite[] {
  const [sprites, setSprites] = useState<Sprite[]>([]);
  useEffect(() => {
    const abort = new AbortController();
    fetch(url, { signal: abort.signal })
      .then((answer) => (answer.ok ? answer.text() : ""))
      .then((text) => setSprites(parseSprites(text, new URL(url, window.location.href).href)))
      .catch(() => undefined); // without pictures the bar shows the time alone
    return () => abort.abort();
  }, [url]);
  return sprites;
}

export function seekTo(element: HTMLVideoElement | null, seconds: number): void {
  if (element) element.currentTime = seconds;
}

const seekableEnd = (element: HTMLVideoElement): number =>
  element.seekable.length > 0 ? element.seekable.end(element.seekable.length - 1) : 0;
