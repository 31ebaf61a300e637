"""`skyriver up`: a whole cloud on this machine, as one supervised tree of processes."""

from skyriver.apps.cloud.settings import CloudSettings
from skyriver.apps.cloud.up import run

__all__ = ["CloudSettings", "run"]
