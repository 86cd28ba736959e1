"""Probe, decode, re-encode: the only room that calls ffmpeg or a decoder.

Videos from outside are not trusted: they are opened by full path, by a container reader that opens
nothing else, with no protocol but the file system's.

    source      what a video from outside is
    conversion  one pass from any video to 24 fps and 48x27
    process     ffmpeg at work: its frames, its words, its end
    frames      the frames of a 24 fps video, by index
    encoding    videos made from arrays
"""

from trailers.video.conversion import convert, size_at
from trailers.video.encoding import encode_frames, read_fingerprint
from trailers.video.frames import VideoFrames, frame_counts
from trailers.video.process import CONTAINERS, SMALL, Converted, Log, address, ffmpeg_path, running
from trailers.video.source import Probe, probe

__all__ = [
    "CONTAINERS",
    "SMALL",
    "Converted",
    "Log",
    "Probe",
    "VideoFrames",
    "address",
    "convert",
    "encode_frames",
    "ffmpeg_path",
    "frame_counts",
    "probe",
    "read_fingerprint",
    "running",
    "size_at",
]
