/** Every word the player shows, in both languages. */

export type Language = "en" | "zh";

const ENGLISH = {
  play: "Play",
  pause: "Pause",
  mute: "Mute",
  unmute: "Unmute",
  tap_unmute: "Tap for sound",
  volume: "Volume",
  fullscreen: "Full screen",
  leave_fullscreen: "Leave full screen",
  quality: "Quality",
  auto: "Auto",
  latency: "Latency",
  ultra_low: "Ultra low",
  low: "Low",
  smooth: "Smooth",
  statistics: "Statistics",
  live: "LIVE",
  settings: "Settings",
  audio_track: "Sound track",
  captions: "Captions",
  captions_on: "Captions on",
  captions_off: "Captions off",
  off: "Off",
  speed: "Speed",
  pip: "Picture in picture",
  seek: "Position",
  go_live: "Go to the live edge",
  playing: "Playing",
  player: "Player",
  connecting: "Connecting…",
  waiting: "Waiting for the broadcast. It starts by itself.",
  interrupted: "The signal was interrupted. Reconnecting…",
  paused: "Paused",
  not_found: "There is no such channel, or it is not public.",
  not_allowed: "You may not watch this channel. Sign in first.",
  not_ready: "The channel is not on air yet. It starts by itself.",
  busy: "Many people are coming in at once. One moment…",
  unreachable: "The cloud cannot be reached. Trying again…",
  undecodable: "This browser cannot decode the picture.",
  unsupported: "This browser can play none of the formats on offer. Use a current Chrome, Edge, Firefox or Safari.",
  insecure: "Browsers allow live playback on https or on 127.0.0.1 only. Open the page that way.",
  switched: "Switched to {edge} after {gap} ms",
};

export type WordKey = keyof typeof ENGLISH;

const CHINESE: Record<WordKey, string> = {
  play: "播放",
  pause: "暂停",
  mute: "静音",
  unmute: "取消静音",
  tap_unmute: "点击开启声音",
  volume: "音量",
  fullscreen: "全屏",
  leave_fullscreen: "退出全屏",
  quality: "清晰度",
  auto: "自动",
  latency: "延迟",
  ultra_low: "超低",
  low: "低",
  smooth: "流畅",
  statistics: "统计信息",
  live: "直播",
  settings: "设置",
  audio_track: "音轨",
  captions: "字幕",
  captions_on: "字幕已开启",
  captions_off: "字幕已关闭",
  off: "关闭",
  speed: "播放速度",
  pip: "画中画",
  seek: "播放位置",
  go_live: "回到直播",
  playing: "正在播放",
  player: "播放器",
  connecting: "连接中…",
  waiting: "等待直播开始，届时自动播放。",
  interrupted: "信号中断，正在重新连接…",
  paused: "已暂停",
  not_found: "没有这个频道，或频道未公开。",
  not_allowed: "您无权观看此频道，请先登录。",
  not_ready: "频道尚未开播，开播后自动播放。",
  busy: "观众正在集中进入，请稍候…",
  unreachable: "无法连接云平台，正在重试…",
  undecodable: "此浏览器无法解码画面。",
  unsupported: "此浏览器无法播放所提供的任何格式，请使用最新版 Chrome、Edge、Firefox 或 Safari。",
  insecure: "浏览器只允许在 https 或 127.0.0.1 下播放直播，请用这样的地址打开页面。",
  switched: "已切换到 {edge}，间隔 {gap} 毫秒",
};

/** The language of `tag` (a BCP 47 tag), English when it is neither. */
export function languageOf(tag: string): Language {
  return tag.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function word(language: Language, key: WordKey, values: Record<string, string | number> = {}): string {
  const text = (language === "zh" ? CHINESE : ENGLISH)[key];
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

export function isWord(key: string): key is WordKey {
  return key in ENGLISH;
}
