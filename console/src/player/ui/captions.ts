/** The lines of captions over the picture. Hidden from screen readers: what is spoken is heard already. */

import { element } from "./dom";

export class Captions {
  readonly box = element("div", { className: "captions" });

  constructor() {
    this.box.setAttribute("aria-hidden", "true");
    this.box.part.add("captions");
  }

  show(lines: readonly string[]): void {
    this.box.replaceChildren(...lines.slice(-4).map((textContent) => element("p", {}, element("span", { textContent }))));
  }
}
