/** The player's own look, inside its shadow root. A constructed sheet needs no 'unsafe-inline' in the page's policy. */
export const STYLES = `
:host { display: block; position: relative; aspect-ratio: 16 / 9; background: #05070d; color: #fff; overflow: hidden;
  font: 14px/1.4 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
  border-radius: var(--skyriver-radius, 8px); outline: none; user-select: none; container-type: inline-size; }
:host([hidden]) { display: none; }
:host(:fullscreen) { border-radius: 0; aspect-ratio: auto; width: 100vw; height: 100vh; }
:host(:focus-visible) { box-shadow: 0 0 0 3px #4dabf7; }
.stage, .stage > * { position: absolute; inset: 0; width: 100%; height: 100%; }
.stage > * { object-fit: var(--skyriver-fit, contain); display: block; }
[hidden] { display: none !important; }
.announcer { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.captions { position: absolute; left: 5%; right: 5%; bottom: 8%; text-align: center; pointer-events: none;
  font-size: var(--skyriver-captions-size, clamp(14px, 3.4cqw, 34px)); line-height: 1.35; transition: bottom .2s; }
.captions p { margin: 0 0 2px; }
.captions span { background: var(--skyriver-captions-background, rgb(0 0 0 / .78)); color: var(--skyriver-captions-color, #fff);
  padding: .05em .4em; box-decoration-break: clone; -webkit-box-decoration-break: clone; }
:host(:hover) .captions, :host(:focus-within) .captions { bottom: 76px; }
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
.bar { position: absolute; left: 0; right: 0; bottom: 0; padding: 26px 8px 6px; opacity: 0; transition: opacity .2s;
  background: linear-gradient(transparent, rgb(0 0 0 / .8)); }
.bar[data-awake], .bar:focus-within, .bar[data-on], .bar:has(~ .menu:not([hidden])) { opacity: 1; }
:host([controls=off]) :is(.bar, .sound, .toast, .menu) { display: none; }
.row { display: flex; align-items: center; gap: 4px; }
.row button { display: inline-grid; place-items: center; min-width: 38px; height: 38px; border: 0; border-radius: 6px;
  color: inherit; background: transparent; cursor: pointer; padding: 0; font: inherit; }
.row button:not(:disabled):hover { background: rgb(255 255 255 / .16); }
.row button:disabled { cursor: default; opacity: 1; }
.row .cc[aria-pressed=true] { box-shadow: inset 0 -3px 0 var(--skyriver-accent, #fa5252); }
:focus-visible { outline: 2px solid #4dabf7; outline-offset: 1px; }
.menu { position: absolute; right: 8px; bottom: 58px; padding: 8px 12px; border-radius: 8px; background: rgb(8 12 22 / .94);
  display: grid; gap: 6px; max-height: calc(100% - 70px); overflow: auto; box-sizing: border-box; max-width: calc(100% - 16px); }
.menu label { display: flex; align-items: center; justify-content: space-between; gap: 16px; min-height: 32px; font-size: 13px; }
.seek { width: 100%; margin: 0 0 4px; height: 16px; accent-color: var(--skyriver-accent, #fa5252); cursor: pointer; display: block; }
.preview { position: absolute; bottom: 66px; transform: translateX(-50%); display: grid; justify-items: center; gap: 4px;
  pointer-events: none; font-size: 12px; font-variant-numeric: tabular-nums; text-shadow: 0 1px 3px #000; }
.thumbnail { border-radius: 4px; box-shadow: 0 1px 8px #000; background-repeat: no-repeat; }
svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round;
  stroke-linejoin: round; }
.row .live { display: inline-flex; align-items: center; gap: 6px; padding: 0 8px; font-weight: 600; font-size: 12px;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.live i { width: 8px; height: 8px; border-radius: 50%; background: #868e96; }
.live[data-on] i { background: var(--skyriver-accent, #fa5252); }
.live[data-recorded] i { display: none; }
.place { font-size: 12px; font-variant-numeric: tabular-nums; padding: 0 4px; white-space: nowrap; }
.space { flex: 1; }
.volume { width: 72px; accent-color: #fff; }
select { color: inherit; background: rgb(255 255 255 / .12); border: 0; border-radius: 6px; height: 30px; padding: 0 4px;
  font: inherit; font-size: 12px; max-width: 170px; }
select option { color: #111; background: #fff; }
@container (max-width: 420px) { .volume { display: none !important; } .row button { min-width: 34px; } }
@container (max-width: 300px) { .pip, .live span { display: none !important; } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } .spinner { animation-duration: 3s; } }
`;
