"""The line that stands above every table: when, on what, under which load, with which versions.

python bench/machine.py
"""

from __future__ import annotations

from skyriver.apps.cli.measure.machine import header

if __name__ == "__main__":
    print(header())
