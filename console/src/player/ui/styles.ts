/** The player's own look, inside its shadow root. A constructed sheet needs no 'unsafe-inline' in the page's policy. */
export const STYLES = `
:host { display: block; position: relative; aspect-ratio: 16 / 9; background: #05070d; color: #fff; overflow: hidden;
  font: 14px/1.4 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
  border-radius: var(--skyriver-radius, 8px); outline: none; user-select: none; container-type: inline-size; }
:host([hidden]) { display: none; }
:host(:fullscreen) { border-radius: 0; aspect-ratio: auto; width: 100vw; height: 100vh; }
:host(:focus-visible) { box-shadow: 0 0 0 3px #4dabf7; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; display: block; }
.message { position: absolute; inset: 0; display: flex; flex-direction: column; gap: 12px; align-items: center;
  justify-content: center; text-align: center; padding: 24px; pointer-events: none; text-shadow: 0 1px 4px #000;
  opacity: 0; transition: opacity .2s; }
.message[data-on] { opacity: 1; background: rgb(5 7 13 / .45); }
.spinner { width: 34px; height: 34px; border-radius: 50%; border: 3px solid rgb(255 255 255 / .25);
  border-top-color: #fff; animation: turn 1s linear infinite; }
.message[data-still] .spinner { display: none; }
@keyframes turn { to { transform: rotate(1turn); } }
.sound { position: absolute; top: 12px; right: 12px; display: none; align-items: center; gap: 8px; border: 0;
  border-radius: 999px; padding: 9px 16px 9px 12px; font: inherit; font-weight: 600; color: #111; background: #fff;
  cursor: pointer; box-shadow: 0 2px 10px rgb(0 0 0 / .4); }
.sound[data-on] { display: inline-flex; }
.toast { position: absolute; top: 12px; left: 12px; padding: 6px 12px; border-radius: 6px; background: rgb(8 12 22 / .8);
  opacity: 0; transition: opacity .3s; pointer-events: none; max-width: 70%; }
.toast[data-on] { opacity: 1; }
.stats { position: absolute; left: 12px; bottom: 60px; margin: 0; padding: 8px 12px; border-radius: 6px; display: none;
  background: rgb(8 12 22 / .82); font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  white-space: pre; pointer-events: none; max-width: calc(100% - 48px); overflow: hidden; }
.stats[data-on] { display: block; }
.bar { position: absolute; left: 0; right: 0; bottom: 0; display: flex; align-items: center; gap: 4px; padding: 22px 8px 6px;
  background: linear-gradient(transparent, rgb(0 0 0 / .75)); opacity: 0; transition: opacity .2s; }
:host(:hover) .bar, :host(:focus-within) .bar, .bar[data-on] { opacity: 1; }
.bar button { display: inline-grid; place-items: center; width: 38px; height: 38px; border: 0; border-radius: 6px;
  color: inherit; background: transparent; cursor: pointer; }
.bar button:hover { background: rgb(255 255 255 / .16); }
.bar :focus-visible, .sound:focus-visible { outline: 2px solid #4dabf7; outline-offset: 1px; }
svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round;
  stroke-linejoin: round; }
.live { display: inline-flex; align-items: center; gap: 6px; padding: 0 8px; font-weight: 600; font-size: 12px;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.live i { width: 8px; height: 8px; border-radius: 50%; background: #868e96; }
.live[data-on] i { background: #fa5252; }
.space { flex: 1; }
input[type=range] { width: 72px; accent-color: #fff; }
select { color: inherit; background: rgb(255 255 255 / .12); border: 0; border-radius: 6px; height: 30px; padding: 0 4px;
  font: inherit; font-size: 12px; max-width: 104px; }
select option { color: #111; background: #fff; }
@container (max-width: 520px) { .volume, .latency, .statistics { display: none !important; } }
@container (max-width: 300px) { select, .live span { display: none; } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } .spinner { animation-duration: 3s; } }
`;
