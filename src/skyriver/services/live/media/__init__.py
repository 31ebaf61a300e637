"""From what a publisher sends to what viewers get: groups, ladder, Opus; and the demo's generated picture."""
