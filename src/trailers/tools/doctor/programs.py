"""Checks of Python, ffmpeg, the decoder and the programs that downloads need."""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator

from trailers.tools.doctor.findings import BAD, OK, WARN, Finding, Place

ENCODERS = ("libx264",)
DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4")  # the codecs of trailers
FORMATS = ("mov", "matroska", "mpegts")
RUNTIMES = {"deno": "deno", "node": "node", "bun": "bun", "quickjs": "qjs"}  # yt-dlp's name -> the program's name
OLD_DAYS = 90  # YouTube changes about as often


def check_python(_: Place) -> Iterator[Finding]:
    # An older Python cannot even start this program, so its version is not compared.
    yield Finding(OK, "python", f"{platform.python_version()}, {os.cpu_count()} cores")


def check_ffmpeg(_: Place) -> Iterator[Finding]:
    import imageio_ffmpeg

    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        listed = {what: ask(program, f"-{what}") for what in ("version", "encoders", "decoders")}
    except (RuntimeError, OSError, subprocess.SubprocessError) as problem:
        yield Finding(BAD, "ffmpeg", f"cannot be run: {problem}. Reinstall the package imageio-ffmpeg.")
        return
    missing = [name for name in ENCODERS if not has_word(listed["encoders"], name)]
    missing += [name for name in DECODERS if not has_word(listed["decoders"], name)]
    number = listed["version"].split()[2]
    if missing:
        yield Finding(BAD, "ffmpeg", f"{number} at {program} lacks {', '.join(missing)}. Unset IMAGEIO_FFMPEG_EXE.")
    elif os.environ.get("IMAGEIO_FFMPEG_EXE"):
        yield Finding(WARN, "ffmpeg", f"{number} at {program}, not the pinned version: frames may differ slightly")
    else:
        yield Finding(
            OK, "ffmpeg", f"{number}, the pinned version; writes {', '.join(ENCODERS)}; reads {', '.join(DECODERS)}"
        )


def ask(program: str, question: str) -> str:
    done = subprocess.run([program, "-hide_banner", question], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def has_word(listing: str, word: str) -> bool:
    return any(word in line.split()[:2] for line in listing.splitlines())


def check_decoder(_: Place) -> Iterator[Finding]:
    import av

    missing = [name for name in DECODERS if name not in av.codecs_available]
    missing += [name for name in FORMATS if not any(name in known.split(",") for known in av.formats_available)]
    if missing:
        yield Finding(BAD, "PyAV", f"{av.__version__} lacks {', '.join(missing)}. Install the pinned wheel of av.")
    else:
        yield Finding(OK, "PyAV", f"{av.__version__} reads {', '.join(DECODERS)}")


def check_downloader(_: Place) -> Iterator[Finding]:
    number = importlib.metadata.version("yt-dlp")
    year, month, day = (int(part) for part in number.split(".")[:3])
    age = (datetime.date.today() - datetime.date(year, month, day)).days
    if age > OLD_DAYS:
        yield Finding(
            WARN,
            "yt-dlp",
            f"{number} is {age} days old, and sites change: downloads may be refused. Update it: "
            "in a checkout its pin in envs/requirements.txt, otherwise with pip install -U yt-dlp.",
        )
    else:
        yield Finding(
            OK,
            "yt-dlp",
            f"{number}, {age} days old; update it after {OLD_DAYS} days, or when many downloads fail in the same way",
        )
    found = [name for name, program in RUNTIMES.items() if shutil.which(program)]
    scripts = importlib.util.find_spec("yt_dlp_ejs") is not None
    if found and scripts:
        yield Finding(OK, "JavaScript", f"{', '.join(found)}: can run the scripts that YouTube requires")
    elif found:
        yield Finding(
            WARN,
            "JavaScript",
            f"{', '.join(found)}, but the package yt-dlp-ejs is missing: YouTube may give few formats",
        )
    else:
        yield Finding(
            WARN,
            "JavaScript",
            "none of deno, node, bun, qjs is on PATH: YouTube may give few formats or none. Install deno.",
        )
