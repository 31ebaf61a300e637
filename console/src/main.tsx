/**
 * The console's entry: first what the network needs longest (the first ticket, who is signed in, the player's code),
 * then what draws. It is a bundle of its own and small, so that those requests leave before the rest has arrived.
 */
import { askEarly, askWho } from "./api/early";

askEarly(location.pathname);
askWho();
void import("./player");
void import("./app/start");
