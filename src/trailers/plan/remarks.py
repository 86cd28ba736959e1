"""Remarks before a run, which do not stop it."""

from __future__ import annotations

from trailers.backbones.enlarging import enlarged
from trailers.backbones.row import RANDOM_WEIGHTS
from trailers.domain import GENRES
from trailers.errors import StoreError, WeightsError
from trailers.plan.studies import Plan
from trailers.plan.study import Pair, Study
from trailers.store.embeddings import read_embedding_attributes
from trailers.store.videos import describe_shared, shared_videos

MOST_REMARKS = 5  # maximum number of remarks of one kind


def remarks(plan: Plan, study: Study) -> list[str]:
    """Remarks on ``study``, which do not stop the run.

    They are about vectors that change from published to random weights or back, backbones for which frames are
    enlarged, genres other than the paper's, and trailers that have the same video.
    """
    found = (other_weights(plan, study), enlarged_for(plan, study), other_genres(plan, study), shared_by(study))
    return [remark for remarks_of_kind in found for remark in remarks_of_kind]


def other_weights(plan: Plan, study: Study) -> list[str]:
    """A remark if embed.random_weights was changed, because then the vectors of all backbones are made again."""
    if study.made_elsewhere:
        return []
    counts = {pair: count for pair in study.pairs if (count := replaced(plan, study, pair))}
    if not counts:
        return []
    pairs = ", ".join(f"{clips}/{backbone} ({count:,} trailers)" for (clips, backbone), count in counts.items())
    before, now = ("published", "random") if plan.has_random_weights else ("random", "published")
    return [
        f"config.yaml, embed.random_weights: is {str(plan.has_random_weights).lower()}, so vectors made with {before} "
        f"weights will be made again with {now} ones, which replace them: {pairs}"
    ]


def replaced(plan: Plan, study: Study, pair: Pair) -> int:
    """Number of trailers with vectors of ``pair`` that will be replaced, judged by the weights of the first one."""
    folder = plan.layout.embedding(*pair, "x").parent
    there = {path.stem for path in folder.glob("*.h5")}
    done = [trailer for trailer in study.by_id if trailer in there]
    if not done:
        return 0
    try:
        weights = str(read_embedding_attributes(plan.layout.embedding(*pair, done[0])).get("weights_sha256"))
    except StoreError:
        return 0  # reported by the job that reads it
    return 0 if (weights == RANDOM_WEIGHTS) == plan.has_random_weights else len(done)


def other_genres(plan: Plan, study: Study) -> list[str]:
    if study is not plan.paper or study.genres == GENRES:
        return []
    return ["config.yaml, genres: differ from the paper's ten, so the printed numbers are for another task"]


def enlarged_for(plan: Plan, study: Study) -> list[str]:
    if study.made_elsewhere:
        return []
    names = [backbone for _, backbone in study.pairs]
    try:
        return enlarged(names, plan.weights_dir, plan.config["normalise"]["short_side"])
    except WeightsError:
        return []  # a damaged record is reported by ``check_backbones``


def shared_by(study: Study) -> list[str]:
    groups = shared_videos(study.trailers, study.manifest.parent)
    shown = [f"{study.manifest}: {describe_shared(group)}" for group in groups[:MOST_REMARKS]]
    if len(groups) > MOST_REMARKS:
        shown.append(f"{study.manifest}: {len(groups) - MOST_REMARKS:,} more videos that several trailers share")
    return shown
