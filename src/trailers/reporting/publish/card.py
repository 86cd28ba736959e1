"""The description of a release: a data card for people, Croissant metadata for programs."""

from __future__ import annotations

import argparse
import datetime
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trailers import __version__
from trailers.backbones.rows import find_row, is_of_library
from trailers.domain import FPS
from trailers.errors import TrailerError
from trailers.reporting.publish.release import Pair, Release
from trailers.reporting.publish.tables import reason, subsets
from trailers.reporting.publish.vectors import folder_of, schema_of
from trailers.reporting.templates import render
from trailers.store.fingerprint import sha256_of

PAPER = "https://arxiv.org/abs/2210.07983"


def published_on(arguments: argparse.Namespace) -> str:
    return arguments.date or datetime.datetime.now(datetime.UTC).date().isoformat()


def write_card(release: Release, output: Path, arguments: argparse.Namespace) -> None:
    """Writes README.md from facts that the results record."""
    values = {
        "name": arguments.name,
        "licence": arguments.licence,
        "date": published_on(arguments),
        "version": __version__,
        "paper": PAPER,
        "fps": FPS,
        "trailers": len(release.rows),
        "failures": Counter((stage, row.status, reason(row.error)) for _, stage, row in release.failures).most_common(),
        "duration_h": sum(release.receipt(t.trailer).facts.get("duration_s") or 0 for t in release.rows) / 3600,
        "genres": {genre: sum(genre in t.genres for t in release.rows) for genre in release.genres},
        "splits": [Counter(filter(None, (subsets(t)[n] for t in release.rows))) for n in range(3)],
        "pairs": [described_pair(release, pair) for pair in release.pairs],
        "links": release.links,
        "titles": release.titles,
        "timelines": arguments.timelines,
    }
    (output / "README.md").write_text(render("card.md.j2", values), encoding="utf-8")


def described_pair(release: Release, pair: Pair) -> dict[str, Any]:
    attributes = release.attributes[pair]
    return {
        "clips": pair[0],
        "backbone": pair[1],
        "folder": str(folder_of(pair)),
        "rows": release.clips[pair],
        "features": release.features[pair],
        "weights": attributes.get("weights", ""),
        "weights_sha256": attributes.get("weights_sha256", ""),
        "licence": weights_licence(pair[1], attributes),
        "transform": attributes.get("transform", ""),
        "precision": attributes.get("precision", ""),
        "versions": versions_of(attributes),
    }


def versions_of(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Package -> version, as an embedding states them; empty if it does not."""
    try:
        found = json.loads(str(attributes.get("versions", "{}")))
    except ValueError:
        return {}
    return {str(name): str(version) for name, version in found.items()} if isinstance(found, dict) else {}


def weights_licence(backbone: str, attributes: Mapping[str, Any]) -> str:
    """The licence that the embeddings state, else that of the library's network; no file of somebody's own is run."""
    stated = str(attributes.get("licence", ""))
    if stated or not is_of_library(backbone):
        return stated or "not stated"
    try:
        return find_row(backbone, Path("weights")).weights.licence
    except TrailerError:
        return "not stated"  # the library is not installed, or its repository is not here


def write_croissant(release: Release, output: Path, arguments: argparse.Namespace) -> None:
    """Writes croissant.json: files with their digests, and the columns of every table (Croissant 1.0)."""
    tables = [("trailers.csv", "one row per trailer"), ("shots.csv", "one row per shot")]
    metadata: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": arguments.name,
        "description": f"Clip embeddings of {len(release.rows)} movie trailers, with their shots and clips.",
        "url": PAPER,
        "citeAs": f"After Trailers12k / DIViTA, {PAPER}",
        "datePublished": published_on(arguments),
        "version": "1.0.0",
        **({"license": arguments.licence} if arguments.licence else {}),
        "distribution": [
            {
                "@type": "cr:FileObject", "@id": name, "name": name, "description": words, "contentUrl": name,
                "encodingFormat": "text/csv", "sha256": sha256_of(output / name),
            }
            for name, words in tables
        ]
        + [file_object(output, path) for pair in release.pairs for path in parts_of(output, pair)],
        "recordSet": [record_set(release, output, pair) for pair in release.pairs],
    }  # fmt: skip
    text = json.dumps(metadata, indent=1, ensure_ascii=False) + "\n"
    (output / "croissant.json").write_text(text, encoding="utf-8")


def parts_of(output: Path, pair: Pair) -> list[Path]:
    return sorted((output / folder_of(pair)).glob("*.parquet"))


def file_object(output: Path, path: Path) -> dict[str, str]:
    name = str(path.relative_to(output))
    return {
        "@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name,
        "encodingFormat": "application/x-parquet", "sha256": sha256_of(path),
    }  # fmt: skip


def record_set(release: Release, output: Path, pair: Pair) -> dict[str, Any]:
    """The columns of one pair's files. A record set of Croissant 1.0 reads one file; the others have equal columns."""
    name = f"{pair[0]}-{pair[1]}"
    source = str(parts_of(output, pair)[0].relative_to(output))
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"One row per clip: {pair[0]}, {pair[1]}, {release.features[pair]} values per vector.",
        "field": [
            {
                "@type": "cr:Field", "@id": f"{name}/{column.name}", "name": f"{name}/{column.name}",
                "description": MEANINGS[column.name.rstrip("012") if column.name.startswith("split") else column.name],
                "dataType": DATA_TYPES.get(str(column.type), "sc:Float"),
                **({"repeated": True} if column.name in ("genres", "vector") else {}),
                "source": {"fileObject": {"@id": source}, "extract": {"column": column.name}},
            }
            for column in schema_of(release.features[pair], titles=release.titles)
        ],
    }  # fmt: skip


DATA_TYPES = {
    "string": "sc:Text",
    "list<element: string>": "sc:Text",
    "list<item: string>": "sc:Text",
    "int32": "sc:Integer",
}

MEANINGS = {
    "trailer": "id of the trailer",
    "title": "title of the movie",
    "genres": "genres of the movie",
    "split": "train, validation or test in this split",
    "shot": "number of the shot, from 0",
    "start": f"first frame, at {FPS} frames per second",
    "end": "the frame after the last one",
    "start_s": "time of the first frame in seconds",
    "end_s": "time of the end in seconds",
    "padding": "black frames that pad the clip",
    "frame": "the frame that stands for the clip in 2D backbones",
    "vector": "output of the backbone before its classifier",
}

CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases", "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract", "field": "cr:field", "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation", "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
