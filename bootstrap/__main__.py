"""Entry point of `./skyriver`, run as `python -I -S bootstrap ARGUMENTS`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Isolated mode hides the checkout from imports; only the bootstrap package is wanted from it.
sys.path.insert(0, str(ROOT))

from bootstrap.launch import main  # noqa: E402

sys.exit(main(ROOT, sys.argv[1:]))
