/** https://w3c.github.io/mediacapture-transform/ as Chromium has it in windows; not yet in TypeScript's own library. */
declare class MediaStreamTrackProcessor<T extends VideoFrame | AudioData> {
  constructor(init: { track: MediaStreamTrack; maxBufferSize?: number });
  readonly readable: ReadableStream<T>;
}
