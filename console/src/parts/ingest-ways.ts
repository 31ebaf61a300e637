/** The ways of sending a picture, and what each encoder is told. Pure. */

import type { IngestUrls } from "../api/types";
import type { TextKey } from "../i18n";

export type Protocol = "rtmp" | "rtmps" | "srt" | "whip";

export interface Command {
  /** The program, as everybody knows it. */
  tool: string;
  hint: TextKey;
  text: string;
}

export interface Way {
  protocol: Protocol;
  name: string;
  about: TextKey;
  /** What goes into the encoder's server field. */
  server: string;
  /** The steps in OBS Studio. */
  obs: readonly TextKey[];
  commands: readonly Command[];
}

const TEST_PICTURE = "-re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440";
const FILE = "-re -stream_loop -1 -i video.mp4";
const H264 = "-c:v libx264 -preset veryfast -tune zerolatency -g 60 -pix_fmt yuv420p";
const GST_PICTURE = "videotestsrc is-live=true ! video/x-raw,width=1280,height=720,framerate=30/1 ! videoconvert";
const GST_H264 = "x264enc tune=zerolatency speed-preset=veryfast key-int-max=60 bitrate=3000 ! h264parse";
const GST_AAC = "audiotestsrc is-live=true ! audioconvert ! avenc_aac ! aacparse";

/** The ways that are open for a channel, the one that most encoders know first. */
export function waysToSend(urls: IngestUrls, key: string): Way[] {
  const ways: Way[] = [];
  if (urls.rtmp_url) ways.push(rtmp("rtmp", urls.rtmp_url, key));
  if (urls.rtmps_url) ways.push(rtmp("rtmps", urls.rtmps_url, key));
  if (urls.srt_url) ways.push(srt(urls.srt_url, key));
  if (urls.whip_url) ways.push(whip(urls.whip_url, key));
  return ways;
}

function rtmp(protocol: "rtmp" | "rtmps", server: string, key: string): Way {
  const target = `"${server}/${key}"`;
  return {
    protocol,
    name: protocol.toUpperCase(),
    about: protocol === "rtmp" ? "ingest_about_rtmp" : "ingest_about_rtmps",
    server,
    obs: ["ingest_obs_1", "ingest_obs_2", "ingest_obs_3", "ingest_obs_4"],
    commands: [
      { tool: "ffmpeg", hint: "ingest_ffmpeg_hint", text: `ffmpeg ${FILE} ${H264} -c:a aac -f flv ${target}` },
      { tool: "ffmpeg", hint: "ingest_camera_hint", text: `ffmpeg ${TEST_PICTURE} ${H264} -c:a aac -f flv ${target}` },
      {
        tool: "GStreamer",
        hint: "ingest_camera_hint",
        text:
          `gst-launch-1.0 ${GST_PICTURE} ! ${GST_H264} ! flvmux streamable=true name=mux ! ` +
          `rtmp2sink location=${target}${protocol === "rtmps" ? " tls-validation-flags=0" : ""} ${GST_AAC} ! mux.`,
      },
    ],
  };
}

function srt(server: string, key: string): Way {
  const target = `"${server}?streamid=${key}"`;
  return {
    protocol: "srt",
    name: "SRT",
    about: "ingest_about_srt",
    server: `${server}?streamid=${key}`,
    obs: ["ingest_obs_1", "ingest_obs_srt_2", "ingest_obs_3", "ingest_obs_4"],
    commands: [
      { tool: "ffmpeg", hint: "ingest_ffmpeg_hint", text: `ffmpeg ${FILE} ${H264} -c:a aac -f mpegts ${target}` },
      { tool: "ffmpeg", hint: "ingest_camera_hint", text: `ffmpeg ${TEST_PICTURE} ${H264} -c:a aac -f mpegts ${target}` },
      {
        tool: "GStreamer",
        hint: "ingest_camera_hint",
        text: `gst-launch-1.0 ${GST_PICTURE} ! ${GST_H264} ! mpegtsmux name=mux ! srtsink uri=${target} ${GST_AAC} ! mux.`,
      },
    ],
  };
}

function whip(server: string, key: string): Way {
  return {
    protocol: "whip",
    name: "WHIP",
    about: "ingest_about_whip",
    server,
    obs: ["ingest_obs_whip_1", "ingest_obs_whip_2", "ingest_obs_whip_3", "ingest_obs_4"],
    commands: [
      {
        tool: "ffmpeg",
        hint: "ingest_camera_hint",
        text:
          `ffmpeg ${TEST_PICTURE} ${H264} -profile:v baseline -c:a libopus -ar 48000 -ac 2 ` +
          `-f whip -authorization "${key}" "${server}"`,
      },
    ],
  };
}
