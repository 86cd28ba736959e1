# The studies, their trailers in shards, and what every rule shares.
#
# A study is a manifest with what is wanted of it. There are two: the user's, named in config.yaml,
# and the demo's. Both live in one results folder and go through the same rules.

import functools
import hashlib
import json
import shlex
import sys
from dataclasses import dataclass

from snakemake.exceptions import WorkflowError

PROJECT = Path(workflow.basedir)
sys.path.insert(0, str(PROJECT / "src"))

from trailers.domain import ClipStrategy, folder_name
from trailers.errors import TrailerError
from trailers.settings import check_config, flags
from trailers.stages import classify, clips, download, embed, normalise, shots
from trailers.stages.shard import read_attempts
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.store.shards import make_shards

LAYOUT = Layout(Path("results"))

# PYTHONPATH set outside is dropped for conda environments, so it is set inside the command.
shell.prefix(f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(PROJECT / 'src'))}; ")


def in_words(function):
    """Tell the user's problem in its own sentence instead of a traceback."""

    @functools.wraps(function)
    def wrapped(*arguments):
        try:
            return function(*arguments)
        except TrailerError as problem:
            raise WorkflowError(str(problem)) from None

    return wrapped


in_words(check_config)(config, PROJECT / "workflow" / "schemas" / "config.schema.yaml")


@dataclass(frozen=True)
class Study:
    """A manifest and what is wanted of its trailers."""

    name: str
    letter: str  # the first of its shards' names, so that paths tell whose they are
    manifest: str
    experiments: dict
    strategies: tuple = ()
    backbones: tuple = ()

    @functools.cached_property
    def trailers(self):
        return in_words(read_manifest)(Path(self.manifest))

    @functools.cached_property
    def shards(self):
        """Shard name -> trailer ids."""
        ids = [trailer.trailer for trailer in self.trailers]
        return make_shards(ids, size=config["shard_size"], letter=self.letter)

    @functools.cached_property
    def by_id(self):
        return {trailer.trailer: trailer for trailer in self.trailers}

    @functools.cached_property
    def pairs(self):
        """(clip strategy, backbone): all that is asked for, and what the experiments need."""
        asked = [(clips, backbone) for clips in self.strategies for backbone in self.backbones]
        needed = [(row["clips"], backbone) for row in self.experiments.values() for backbone in row["backbones"]]
        return tuple(dict.fromkeys(asked + needed))

    @property
    def is_labelled(self):
        """Whether there is something to learn from: genres, and a split with its three subsets."""
        return bool(self.splits)

    @functools.cached_property
    def splits(self):
        """The splits for which some trailer is in each subset and has genres."""
        codes = [{trailer.splits[n] for trailer in self.trailers if trailer.genres} for n in range(3)]
        return tuple(n for n in range(3) if codes[n] >= {0, 1, 2})

    def ledgers(self, stage, *variant):
        return [str(LAYOUT.ledger(stage, shard, *variant)) for shard in self.shards]

    def all_ledgers(self):
        strategies = dict.fromkeys(clips for clips, _ in self.pairs)
        stages = [("download",), ("normalise",), ("shots",)]
        stages += [("clips", clips) for clips in strategies] + [("embed", *pair) for pair in self.pairs]
        return [ledger for stage in stages for ledger in self.ledgers(*stage)]

    def metrics(self):
        names = self.experiments if self.is_labelled else ()
        return [str(LAYOUT.experiment(name, n) / "metrics.json") for name in names for n in self.splits]

    def report(self):
        return str(LAYOUT.report("" if self.name == "study" else self.name))


STUDIES = {
    "study": Study(
        "study",
        "s",
        config["manifest"],
        config["experiments"],
        tuple(config["clips"]["strategies"]),
        tuple(config["embed"]["backbones"]),
    ),
    "demo": Study("demo", "d", str(PROJECT / "workflow" / "demo.csv"), config["demo"]),
}
EXPERIMENTS = {name: study for study in STUDIES.values() for name in study.experiments}

# Where nothing lends GPUs one by one, a lease does: Snakemake counts them but names none.
LEASE = "python -m trailers lease --"


def study_of(wildcards):
    """The study a shard belongs to."""
    return next(study for study in STUDIES.values() if wildcards.shard.startswith(study.letter))


def study_with(wildcards):
    """The study whose manifest names a trailer; the demo's is always there."""
    for study in (STUDIES["demo"], STUDIES["study"]):
        if wildcards.trailer in study.by_id:
            return study
    raise WorkflowError(f"no manifest names '{wildcards.trailer}'. Add it to {config['manifest']}.")


def digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def links(wildcards):
    """Changes when a link of the shard does, and only then: the manifest is no input of a bulk rule."""
    study = study_of(wildcards)
    members = study.shards.get(wildcards.shard, ())
    return digest([study.by_id[trailer].urls for trailer in members])


def attempts(stage, *variants):
    """How many runs of this shard left transient failures: one more asks for another run."""

    def count(wildcards):
        known = variants or [tuple(wildcards[name] for name in ("clips",) if name in wildcards.keys())]
        return sum(read_attempts(LAYOUT.attempts(stage, wildcards.shard, *variant)) for variant in known)

    return count


def grown(amount):
    """A resource that doubles when a job is tried again."""
    return lambda wildcards, attempt: amount * 2 ** (attempt - 1)


# Wildcards match slashes. Without these, embed/{backbone} also matches what lies below it.
wildcard_constraints:
    trailer=r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}",
    shard=r"[sd]\d{4,6}-[0-9a-f]{8}",
    clips=r"(shot|seq)\d+(-fps\d+)?",
    backbone=r"[A-Za-z0-9_.-]+",
    experiment=r"[A-Za-z0-9_.-]+",
    study=r"study|demo",
    split=r"[012]",


localrules:
    all,
    shard_list,


# The members of one shard. Its name changes with its members, so a list never changes.
rule shard_list:
    output:
        LAYOUT.shard("{shard}"),
    log:
        "logs/shards/{shard}.log",
    conda:
        "../../envs/media.yaml"
    params:
        members=lambda wildcards: study_of(wildcards).shards[wildcards.shard],
    shell:
        "printf '%s\\n' {params.members} >{output} 2>{log}"
