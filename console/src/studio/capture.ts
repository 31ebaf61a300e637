/** Cameras, screens and microphones. */

export type PictureSource = { kind: "camera"; deviceId?: string } | { kind: "screen" };

export interface CaptureWish {
  picture: PictureSource;
  /** Undefined: no microphone; empty: the browser's choice. */
  microphone: string | undefined;
  height: number;
  fps: number;
}

export interface Devices {
  cameras: MediaDeviceInfo[];
  microphones: MediaDeviceInfo[];
}

/** What is missing in this browser, in words for people; undefined when all is there. */
export function missing(): "secure_context" | "webcodecs" | "webtransport" | undefined {
  if (!window.isSecureContext || !("mediaDevices" in navigator)) return "secure_context";
  if (!("VideoEncoder" in window) || !("MediaStreamTrackProcessor" in window)) return "webcodecs";
  if (!("WebTransport" in window)) return "webtransport";
  return undefined;
}

export async function listDevices(): Promise<Devices> {
  const all = await navigator.mediaDevices.enumerateDevices();
  return {
    cameras: all.filter((device) => device.kind === "videoinput"),
    microphones: all.filter((device) => device.kind === "audioinput"),
  };
}

/** Ask the person and the devices. @throws DOMException when either says no */
export async function capture(wish: CaptureWish): Promise<MediaStream> {
  const size = { height: { ideal: wish.height }, width: { ideal: Math.round((wish.height * 16) / 9) }, frameRate: { ideal: wish.fps } };
  const stream = new MediaStream();
  const add = (from: MediaStream): void => from.getTracks().forEach((track) => stream.addTrack(track));
  try {
    if (wish.picture.kind === "screen") {
      add(await navigator.mediaDevices.getDisplayMedia({ video: size, audio: wish.microphone === undefined }));
    } else {
      const device = wish.picture.deviceId ? { deviceId: { exact: wish.picture.deviceId } } : {};
      add(await navigator.mediaDevices.getUserMedia({ video: { ...size, ...device } }));
    }
    if (wish.microphone !== undefined) {
      const device = wish.microphone ? { deviceId: { exact: wish.microphone } } : {};
      add(await navigator.mediaDevices.getUserMedia({ audio: { ...device, channelCount: { ideal: 2 } } }));
    }
  } catch (error) {
    release(stream);
    throw error;
  }
  return stream;
}

export function release(stream: MediaStream | undefined): void {
  stream?.getTracks().forEach((track) => track.stop());
}
