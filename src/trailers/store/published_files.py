"""The files of Trailers12k's authors (Zenodo record 5716410): labels, and an archive of embeddings per backbone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import ConfigError

RECORD = "https://zenodo.org/record/5716410/files/{name}?download=1"
SUFFIX = ".zarr.tar.gz"


@dataclass(frozen=True)
class PublishedFile:
    """One file of the record."""

    name: str
    md5: str


@dataclass(frozen=True)
class PublishedStore(PublishedFile):
    """An archive of one zarr store, and its names in this project."""

    backbone: str
    features: int
    clips: str = "shot24"

    @property
    def stem(self) -> str:
        """Its name without suffixes, such as trailers_i_resnet_fpc24."""
        return self.name.removesuffix(SUFFIX)


LABELS = PublishedFile("mtgc.csv", "d730579950345b2c0f9c4a9779bd9d44")
LABELLED = 12_000  # trailers with labels

SWIN = "swin_tiny_patch4_window7_224.ms_in1k"

STORES = tuple(
    PublishedStore(f"{stem}{SUFFIX}", md5, backbone, features)
    for stem, md5, backbone, features in (
        ("trailers_i_shufflenet_fpc24", "15eac938134322e8e6c611f844ef3d32", "shufflenet_v2_x1_0", 1024),
        ("trailers_k_shufflenet_fps24_fpc24", "cbf2016ad294c50b75baaf8e25c7aaaf", "shufflenet3d", 1024),
        ("trailers_i_resnet_fpc24", "ed284507adcd04d067ba48a1ceab1b3d", "resnet50", 2048),
        ("trailers_k_r2plus1d_fps24_fpc24", "90897c9508790e67aab3c3b8c69ce668", "r2plus1d_18", 512),
        ("trailers_i_swin_fpc24", "d544acb04179bc723d46c88adfa43aa0", SWIN, 768),
        ("trailers_ik_swin_fps24_fpc24", "e4f57101c465b6426bc3d9909ba36bdb", "swin3d_t", 768),
    )
)


def find_store(name: str) -> PublishedStore | None:
    """The published store that a file or folder of this name holds; None for any other name."""
    stem = name.removesuffix(SUFFIX).removesuffix(".tar.gz").removesuffix(".tar").removesuffix(".zarr")
    return next((store for store in STORES if store.stem == stem), None)


def other_digests(path: Path) -> dict[str, str]:
    """File -> MD5, from the output of `md5sum`, for another version of the record.

    Raises:
        ConfigError: a line is not an MD5 and a name.
    """
    digests = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        digest, _, name = line.partition("  ")
        if not re.fullmatch(r"[0-9a-f]{32}", digest) or not name:
            raise ConfigError(f"line {number} is not an MD5, two blanks and a name", where=path, remedy="See md5sum.")
        digests[name.strip()] = digest
    return digests
