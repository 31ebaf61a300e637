"""What can be wrong with a picture or a sound that arrives perfectly well: black, frozen, silent, too loud, too thin.

Every detector is pure: numbers of one sample and its time in, a state out. `Watch` feeds them from the transcoder's
threads. They say what IS; how long it must be so before somebody is called is decided where alarms are made.
"""

from skyriver.services.live.media.detectors.settings import DetectorSettings
from skyriver.services.live.media.detectors.watch import Watch

__all__ = ["DetectorSettings", "Watch"]
