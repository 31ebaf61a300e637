/** How loud the microphone is, for a bar: 0 is silence at -60 dB, 1 is full scale. */

const FLOOR_DB = -60;

export class MicrophoneLevel {
  private readonly context = new AudioContext();
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(stream: MediaStream, onLevel: (level: number) => void) {
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    this.context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1e-6);
      onLevel(Math.min(1, Math.max(0, 1 - (20 * Math.log10(peak)) / FLOOR_DB)));
    }, 100);
  }

  close(): void {
    clearInterval(this.timer);
    void this.context.close();
  }
}
