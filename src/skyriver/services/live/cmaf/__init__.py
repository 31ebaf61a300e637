"""CMAF: the frames of a fabric track as init segments, parts and segments that HLS, DASH and a recording share.

Pure code, no I/O and no clock. What a `Segmenter` makes depends on the frames alone, so that any two edges, and a
recorder, make the same bytes under the same names.
"""

from skyriver.services.live.cmaf.codecs import InitSegment, UnsupportedCodec
from skyriver.services.live.cmaf.segmenter import PART_US, Part, Segmenter, segmenter_for

__all__ = ["PART_US", "InitSegment", "Part", "Segmenter", "UnsupportedCodec", "segmenter_for"]
