/** The bar for going back and forth: a native slider, with a preview picture where the recording has thumbnails. */

import type { Timeline } from "../viewing";
import { clockText, element } from "./dom";
import type { Thumbnail, Thumbnails } from "./thumbnails";

/** As the player's own keys, see keys.ts. */
const STEP_S = 5;
const FAR_STEP_S = 60;

export class SeekBar {
  readonly slider = element("input", { type: "range", className: "seek", min: "0", max: "1", step: "any", hidden: true });
  readonly preview = element("div", { className: "preview", hidden: true });
  private readonly picture = element("div", { className: "thumbnail" });
  private readonly time = element("span");
  private timeline: Timeline | undefined;
  private dragging = false;
  thumbnails: Thumbnails | undefined;
  /** What the live edge is called. */
  liveName = "";

  constructor(private readonly seek: (to_s: number) => void) {
    this.preview.append(this.picture, this.time);
    const { slider } = this;
    slider.oninput = () => {
      this.dragging = true;
      this.describe(Number(slider.value));
      this.showPreview(Number(slider.value));
    };
    slider.onchange = () => {
      this.dragging = false;
      this.preview.hidden = true;
      this.seek(Number(slider.value));
    };
    slider.onpointermove = (event) => {
      const box = slider.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      const { min, max } = slider;
      this.showPreview(Number(min) + share * (Number(max) - Number(min)));
    };
    slider.onpointerleave = () => (this.preview.hidden = true);
    slider.onkeydown = (event) => this.onKey(event);
  }

  show(timeline: Timeline | undefined): void {
    this.timeline = timeline;
    this.slider.hidden = timeline === undefined;
    if (!timeline) this.preview.hidden = true;
    if (!timeline || this.dragging) return;
    this.slider.min = String(timeline.start_s);
    this.slider.max = String(timeline.end_s);
    this.slider.value = String(timeline.position_s);
    const length_s = Math.max(0.001, timeline.end_s - timeline.start_s);
    const share = (timeline.position_s - timeline.start_s) / length_s;
    this.slider.style.setProperty("--played", `${(share * 100).toFixed(2)}%`);
    this.describe(timeline.position_s);
  }

  /** What a place is called: from the start of a recording, or back from now. */
  nameOf(at_s: number): string {
    if (!this.timeline) return "";
    const behind_s = this.timeline.end_s - at_s;
    if (this.timeline.live) return behind_s < 1 ? this.liveName : `-${clockText(behind_s)}`;
    return clockText(at_s - this.timeline.start_s);
  }

  /** The browser's own steps are a hundredth of the whole, which is minutes in a long show. */
  private onKey(event: KeyboardEvent): void {
    const { timeline } = this;
    if (!timeline || event.ctrlKey || event.metaKey || event.altKey) return;
    const to_s: Partial<Record<string, number>> = {
      ArrowLeft: timeline.position_s - STEP_S,
      ArrowRight: timeline.position_s + STEP_S,
      PageDown: timeline.position_s - FAR_STEP_S,
      PageUp: timeline.position_s + FAR_STEP_S,
      Home: timeline.start_s,
      End: timeline.end_s,
    };
    const found_s = to_s[event.key];
    if (found_s === undefined) return;
    event.preventDefault();
    this.seek(Math.min(Math.max(found_s, timeline.start_s), timeline.end_s));
  }

  private describe(at_s: number): void {
    this.slider.setAttribute("aria-valuetext", this.nameOf(at_s));
  }

  private showPreview(at_s: number): void {
    const { timeline } = this;
    if (!timeline) return;
    this.preview.hidden = false;
    this.time.textContent = this.nameOf(at_s);
    const share = (at_s - timeline.start_s) / Math.max(0.001, timeline.end_s - timeline.start_s);
    this.preview.style.left = `clamp(80px, ${(share * 100).toFixed(1)}%, calc(100% - 80px))`;
    const found = this.thumbnails?.at(at_s - timeline.start_s);
    this.picture.hidden = found === undefined;
    if (found) this.draw(found);
  }

  private draw({ url, x, y, width, height }: Thumbnail): void {
    Object.assign(this.picture.style, {
      width: `${width}px`,
      height: `${height}px`,
      backgroundImage: `url("${url.replaceAll('"', "%22")}")`,
      backgroundPosition: `-${x}px -${y}px`,
    });
  }
}
