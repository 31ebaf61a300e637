/**
 * The page other sites put into an iframe: /embed.html?channel=tenant/channel, with optional `latency`, `lang` and
 * `quality` as in the element's attributes.
 */
import "./player";

const query = new URLSearchParams(location.search);
const player = document.createElement("skyriver-player");
player.setAttribute("api", location.origin);
for (const name of ["channel", "latency", "lang", "quality"]) {
  const value = query.get(name);
  if (value) player.setAttribute(name, value);
}
const language = query.get("lang");
if (language) document.documentElement.lang = language;
document.body.append(player);
