/**
 * The page other sites put into an iframe: /embed.html?channel=tenant/channel, or ?src=address of a recording, with
 * the element's other attributes as far as they are named here.
 */
import "./player";

const query = new URLSearchParams(location.search);
const player = document.createElement("skyriver-player");
player.setAttribute("api", location.origin);
const ATTRIBUTES = [
  "channel", "src", "transport", "latency", "lang", "quality", "max-rendition", "thumbnails", "controls",
];
for (const name of ATTRIBUTES) {
  const value = query.get(name);
  if (value) player.setAttribute(name, value);
}
const language = query.get("lang");
if (language) document.documentElement.lang = language;
document.body.append(player);
