"""Probes, decodes and re-encodes videos. The only package that calls ffmpeg or a decoder.

Videos from outside are untrusted: they are opened by their full path, only with container readers that open no other
file, and only with the protocol of the file system.

    source      describes a video from outside, using the next five modules
    packets     reads the packets of its container, without decoding
    timeline    finds out when its frames are shown
    promise     finds out whether its container states more frames than it has
    look        reads its first frames with ffmpeg
    colours     decides how its colours are read
    conversion  converts any video to 24 fps and 48x27 in one pass
    clock       the filters that put frames on the grid of 24 fps
    telecine    recognises film in interlaced video
    account     compares the expected with the decoded frames
    process     runs ffmpeg and reads its frames, messages and exit status
    frames      reads the frames of a 24 fps video by index
    encoding    makes videos from arrays
    small       reduces arrays of frames to the size for detection
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
