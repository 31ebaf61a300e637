/** The audio thread's end of the player: keeps the ring and plays the moment the playout clock points to. */

import { AudioRing } from "./audio-ring";

export type ToWorklet =
  | { type: "samples"; pts_us: number; planes: Float32Array[] }
  /** At `context_s` of the audio context, `media_us` is to be heard. */
  | { type: "clock"; context_s: number; media_us: number }
  | { type: "clear" }
  | { type: "forget_gaps" };

export interface FromWorklet {
  buffered_ms: number;
  underruns: number;
  /** The longest time without sound to play. */
  gap_ms_max: number;
  /** The loudest sample played since the last report, 0 to 1. */
  level: number;
  /** How far what is heard is behind the playout clock, and with it behind the picture; negative when ahead. */
  offset_ms: number;
}

// What AudioWorkletGlobalScope offers and the DOM library of TypeScript does not declare.
declare const currentTime: number;
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

/** Render quanta between reports: about four a second at 48 kHz. */
const REPORT_EVERY = 94;
/** Web Audio, section 2.2: the render quantum. */
const QUANTUM_FRAMES = 128;

class SkyriverAudio extends AudioWorkletProcessor {
  private readonly ring = new AudioRing(2, sampleRate);
  private offset_us: number | undefined;
  private quanta = 0;
  private level = 0;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent<ToWorklet>) => this.receive(event.data);
  }

  private receive(message: ToWorklet): void {
    if (message.type === "samples") this.ring.write(message.pts_us, message.planes);
    else if (message.type === "clock") this.offset_us = message.media_us - message.context_s * 1e6;
    else if (message.type === "forget_gaps") this.ring.forgetGaps();
    else this.ring.clear();
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const out = outputs[0];
    if (!out || this.offset_us === undefined) return true;
    const position = this.offset_us + currentTime * 1e6;
    this.ring.read(out, position);
    for (const sample of out[0] ?? []) this.level = Math.max(this.level, Math.abs(sample));
    if (++this.quanta % REPORT_EVERY === 0) this.report(position);
    return true;
  }

  private report(position_us: number): void {
    const report: FromWorklet = {
      buffered_ms: this.ring.bufferedMs(position_us),
      underruns: this.ring.underruns,
      gap_ms_max: this.ring.longestGapMs,
      level: this.level,
      offset_ms: this.ring.offsetMs(position_us + (QUANTUM_FRAMES / sampleRate) * 1e6),
    };
    this.level = 0;
    this.port.postMessage(report);
  }
}

registerProcessor("skyriver-audio", SkyriverAudio);
