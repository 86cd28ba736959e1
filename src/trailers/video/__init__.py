"""Probe, decode, re-encode: the only room that calls ffmpeg or a decoder.

Videos from outside are not trusted: they are opened by full path, by a container reader that opens
nothing else, with no protocol but the file system's.

    source      what a video from outside is, from
    packets     what its container gives, without decoding
    timeline    when its frames are shown
    promise     what its container promises beyond that
    look        its first frames as ffmpeg shows them
    colours     how its colours are read
    conversion  one pass from any video to 24 fps and 48x27
    clock       the filters that put frames on the grid of 24 fps
    telecine    film in interlaced video
    account     promised against delivered
    process     ffmpeg at work: its frames, its words, its end
    frames      the frames of a 24 fps video, by index
    encoding    videos made from arrays
    small       frames of arrays, made as small as detection sees them
"""

from trailers.video.account import crowded, share_of_frames, warnings
from trailers.video.conversion import convert, size_at
from trailers.video.encoding import encode_frames, read_fingerprint
from trailers.video.frames import VideoFrames, frame_counts
from trailers.video.process import CONTAINERS, SMALL, Converted, Log, address, ffmpeg_path, running
from trailers.video.small import shrink
from trailers.video.source import Probe, probe
from trailers.video.telecine import is_telecined

__all__ = [
    "CONTAINERS",
    "SMALL",
    "Converted",
    "Log",
    "Probe",
    "VideoFrames",
    "address",
    "convert",
    "crowded",
    "encode_frames",
    "ffmpeg_path",
    "frame_counts",
    "is_telecined",
    "probe",
    "read_fingerprint",
    "running",
    "share_of_frames",
    "shrink",
    "size_at",
    "warnings",
]
