"""Small studies for tests that run Snakemake: generated videos, a manifest, and the command."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import imageio_ffmpeg

import forked

PROJECT = Path(__file__).resolve().parents[1]

# Three shots of a second each, whose hard cuts TransNet V2 finds; {n} makes the videos different.
SHOTS = (
    "testsrc2=size=160x120:rate=25:duration=1",
    "mandelbrot=size=160x120:rate=25:start_scale={n}.5,trim=duration=1,setpts=PTS-STARTPTS",
    "smptehdbars=size=160x120:rate=25:duration=1,hue=h={n}*40",
)

PROGRAM = ("-m", "snakemake")
Done = subprocess.CompletedProcess[str]


def make_video(path: Path, n: int) -> Path:
    """Make a video of 75 frames at 25 fps, with the same bytes for the same ``n``."""
    inputs = [word for shot in SHOTS for word in ("-f", "lavfi", "-i", shot.format(n=n + 1))]
    join = ["-filter_complex", "[0][1][2]concat=n=3", "-pix_fmt", "yuv420p"]
    encode = ["-c:v", "libx264", "-threads", "1", "-fflags", "+bitexact"]
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y"]
    subprocess.run([*ffmpeg, *inputs, *join, *encode, str(path)], check=True)
    return path


def write_manifest(folder: Path, rows: Iterable[tuple[str, str]], name: str = "manifest.csv") -> None:
    """Write a manifest of ``rows`` (trailer, url); genres and subsets of one split alternate."""
    genres = ("action", "drama", "comedy")
    lines = ["trailer,url,genres,split0"]
    lines += [f"{trailer},{url},{genres[n % 3]},{n % 3}" for n, (trailer, url) in enumerate(rows)]
    (folder / name).write_text("\n".join(lines) + "\n")


def make_study(folder: Path, count: int) -> Path:
    """A folder with ``count`` trailers t0, t1, ..., their manifest, and a small batch size for so few clips."""
    (folder / "videos").mkdir(parents=True)
    for n in range(count):
        make_video(folder / "videos" / f"t{n}.mp4", n)
    write_manifest(folder, ((f"t{n}", f"videos/t{n}.mp4") for n in range(count)))
    (folder / "config.yaml").write_text("embed: {batch_clips: 4}\n")
    return folder


def copy_project(folder: Path) -> Path:
    """Copy the workflow and the package into ``folder``, as in a checkout; returns the path of its Snakefile."""
    for name in ("src", "workflow", "profiles", "envs"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(PROJECT / name, folder / name)
    return folder / "Snakefile"


def command(folder: Path, *words: str, start: Sequence[str] = PROGRAM) -> list[str]:
    where = ["--snakefile", str(PROJECT / "Snakefile"), "--directory", str(folder)]
    return [sys.executable, *start, *where, *words]


def environment() -> dict[str, str]:
    """The environment, with the interpreter of the tests first in PATH, as envs/run puts it."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def snakemake(
    folder: Path,
    *words: str,
    check: bool = True,
    env: dict[str, str] | None = None,
    start: Sequence[str] = PROGRAM,
) -> Done:
    """Run the workflow in ``folder``, on two cores if ``words`` do not name a profile."""
    where = () if "--profile" in words else ("--cores", "2")
    if env is None and start == PROGRAM:
        done = forked.snakemake(command(folder, *where, *words)[3:], environment(), timeout=600)
    else:
        done = subprocess.run(
            command(folder, *where, *words, start=start), capture_output=True, text=True, check=False,
            env=env or environment(), stdin=subprocess.DEVNULL, timeout=600,
        )  # fmt: skip
    if check and done.returncode:
        logs = [f"{path}:\n{path.read_text()[-3000:]}" for path in sorted((folder / "logs").rglob("*.log"))]
        raise AssertionError(
            f"snakemake {' '.join(words)}: code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-5000:]}\n"
            + "\n".join(logs)
        )
    return done


def planned(folder: Path, *words: str) -> dict[str, int]:
    """Rule -> number of jobs in a dry run."""
    dry = command(folder, "--quiet", "rules", "host", "--dry-run", *words)
    done = forked.snakemake(dry[3:], environment(), timeout=120)
    if done.returncode:
        raise AssertionError(done.stdout[-5000:] + done.stderr[-5000:])
    jobs = {}
    table = False
    for line in done.stdout.splitlines() + done.stderr.splitlines():
        words_of_line = line.split()
        if words_of_line[:2] == ["job", "count"]:
            table, jobs = True, {}
        elif table and len(words_of_line) == 2 and words_of_line[1].isdigit():
            jobs[words_of_line[0]] = int(words_of_line[1])
        elif table and not line.strip():
            table = False
    jobs.pop("total", None)
    return jobs


def products(folder: Path, *suffixes: str) -> dict[str, str]:
    """Path below results -> digest, of every finished file, or only of those with ``suffixes``."""
    root = folder / "results"
    found = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if not suffixes or path.suffix in suffixes
    }


def times(folder: Path) -> dict[str, int]:
    """Path below results -> time of its last change, in ns."""
    root = folder / "results"
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def rule_commands() -> dict[str, str]:
    """Rule -> its command, without the indentation."""
    found = {}
    for path in PROJECT.glob("workflow/rules/*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(), re.MULTILINE | re.DOTALL):
            shell = re.search(r"shell:\n((?:        .*\n)+)", body)
            if shell:
                found[name] = "".join(line.strip() for line in shell[1].splitlines())
    return found
