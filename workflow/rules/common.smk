# The studies, their trailers in shards, and what every rule shares.
#
# A study is a manifest with what is wanted of it: the user's, named in config.yaml; the paper's tables
# on the same manifest; and the demo's. All live in one results folder and go through the same rules.

import dataclasses
import functools
import hashlib
import json
import shlex
import sys
import time
from dataclasses import dataclass

from snakemake.exceptions import WorkflowError

STARTED = time.time()
PROJECT = Path(workflow.basedir)
sys.path.insert(0, str(PROJECT / "src"))

from trailers.backbones.rows import check_name, is_2d
from trailers.domain import folder_name
from trailers.errors import TrailerError
from trailers.machine.threads import threads_per_gpu
from trailers.settings import check_config, flags, from_section
from trailers.stages import classify, clips, download, embed, normalise, posters, shots
from trailers.stages.shard import read_attempts
from trailers.store.fingerprint import sha256_of
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.store.shards import make_shards
from trailers.store.study import read_study

LAYOUT = Layout(Path("results"))
STAGES = {
    "download": download,
    "normalise": normalise,
    "shots": shots,
    "clips": clips,
    "embed": embed,
    "posters": posters,
}
SECTION = {"posters": "embed"}  # of config.yaml, where a stage shares another's

# PYTHONPATH set outside is dropped for conda environments, so it is set inside the command.
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(PROJECT / 'src'))}; "
)


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
    elsewhere: tuple = ()  # pairs that another study's jobs embed

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
        asked = [
            (clips, backbone)
            for clips in self.strategies
            for backbone in self.backbones
        ]
        needed = [
            (row["clips"], backbone)
            for row in self.experiments.values()
            for backbone in row["backbones"]
        ]
        return tuple(dict.fromkeys(asked + needed))

    @functools.cached_property
    def splits(self):
        """The splits for which some trailer is in each subset and has genres."""
        codes = [
            {trailer.splits[n] for trailer in self.trailers if trailer.genres}
            for n in range(3)
        ]
        return tuple(n for n in range(3) if codes[n] >= {0, 1, 2})

    @functools.cached_property
    def poster_shards(self):
        """The shards with a poster; without one in its manifest a study knows nothing of posters."""
        return [
            shard
            for shard, members in self.shards.items()
            if any(self.by_id[trailer].poster for trailer in members)
        ]

    @functools.cached_property
    def poster_stages(self):
        """Posters are the user's study's: got once, embedded by each of its backbones that takes pictures."""
        if self.name != "study" or not self.poster_shards:
            return []
        names = dict.fromkeys(backbone for _, backbone in self.pairs)
        folder = Path(config["embed"]["weights_dir"])
        return [
            ("posters",),
            *(("posters", name) for name in names if in_words(is_2d)(name, folder)),
        ]

    def poster_ledgers(self, wildcards=None):
        return [
            ledger for stage in self.poster_stages for ledger in self.ledgers(*stage)
        ]

    def ledgers(self, stage, *variant):
        shards = self.poster_shards if stage == "posters" else self.shards
        return [str(LAYOUT.ledger(stage, shard, *variant)) for shard in shards]

    @property
    def stages(self):
        """(stage, variant ...) of everything that writes ledgers; none with packs made elsewhere."""
        if self.packs_folder:
            return []
        strategies = dict.fromkeys(clips for clips, _ in self.pairs)
        embedded = [("embed", *pair) for pair in self.pairs]
        return [
            ("download",),
            ("normalise",),
            ("shots",),
            *(("clips", clips) for clips in strategies),
            *embedded,
            *self.poster_stages,
        ]

    def shot_ledgers(self, wildcards=None):
        if not self.packs_folder:
            return self.ledgers("shots")
        folder = Layout(Path(self.packs_folder)).ledger("shots", "").parent
        return sorted(str(path) for path in folder.glob("*.tsv"))

    def all_ledgers(self, wildcards=None):
        return [ledger for stage in self.stages for ledger in self.ledgers(*stage)]

    def ledger_flags(self, wildcards=None):
        return self.ledger_flags_of(self.stages)

    def ledger_flags_of(self, stages):
        """Folders, and which shards: the names of thousands of ledgers do not fit a command."""
        folders = [
            str(LAYOUT.ledger(stage, "", *variant).parent) for stage, *variant in stages
        ]
        shards = f"--shards {self.letter}{config['shard_size']}"
        return f"--ledgers {shlex.join(folders)} {shards}"

    def shot_flags(self, wildcards=None):
        """As ``ledger_flags``, of the shots; packs made elsewhere may bring their own."""
        if self.packs_folder:
            files = shlex.join(self.shot_ledgers())
            return f"--results {shlex.quote(self.packs_folder)} --ledgers {files}"
        return self.ledger_flags_of([("shots",)])

    def settings(self, wildcards=None):
        """What shapes the products of every stage, in JSON: the report tells what was asked for, --config and all."""
        return json.dumps(
            {
                stage: dataclasses.asdict(
                    from_section(
                        STAGES[stage].Settings, config[SECTION.get(stage, stage)]
                    )
                )
                for stage in dict.fromkeys(stage for stage, *_ in self.stages)
            }
        )

    @property
    def packs_folder(self):
        """Where packs lie that were made elsewhere: imported ones, or synthetic ones."""
        return None if self.name == "demo" else config["packs"]

    def pack(self, clips, backbone):
        if self.packs_folder:
            return str(Path(self.packs_folder) / clips / f"{folder_name(backbone)}.h5")
        return str(
            LAYOUT.pack("demo" if self.name == "demo" else "study", clips, backbone)
        )

    @property
    def own_pairs(self):
        return [pair for pair in self.pairs if pair not in self.elsewhere]

    def metrics(self, wildcards=None):
        return [
            str(LAYOUT.experiment(name, n) / "metrics.json")
            for name in self.experiments
            for n in self.splits
        ]

    def report(self):
        return str(LAYOUT.report("" if self.name == "study" else self.name))


def make_studies():
    users = Study(
        "study",
        "s",
        config["manifest"],
        config["experiments"],
        tuple(config["clips"]["strategies"]),
        tuple(config["embed"]["backbones"]),
    )
    paper = Study(
        "tables",
        "s",
        config["manifest"],
        dict(in_words(read_study)(STUDY_FILE).experiments),
        elsewhere=users.pairs,
    )
    demo = Study("demo", "d", str(PROJECT / "workflow" / "demo.csv"), config["demo"])
    for study in (users, demo):
        for name in paper.experiments.keys() & study.experiments.keys():
            raise WorkflowError(
                f"two experiments are called '{name}', in config.yaml and {STUDY_FILE}. Rename one."
            )
    check_backbones(users, "config.yaml")
    check_backbones(paper, STUDY_FILE)
    return {study.name: study for study in (users, paper, demo)}


def check_backbones(study, file):
    """Refuse a name that no backbone has before anything runs; packs made elsewhere may hold any."""
    if study.packs_folder:
        return
    named = {f"experiments, {name}": row for name, row in study.experiments.items()}
    named["embed"] = {"backbones": study.backbones}
    for place, row in named.items():
        for backbone in row["backbones"]:
            try:
                check_name(backbone)
            except TrailerError as problem:
                raise WorkflowError(f"{file}, {place}: {problem}") from None


# A file of the working folder goes before the project's own.
STUDY_FILE = (
    Path(config["study"])
    if Path(config["study"]).exists()
    else PROJECT / config["study"]
)
STUDIES = make_studies()
EXPERIMENTS = {name: study for study in STUDIES.values() for name in study.experiments}

# Every pair of clip strategy and backbone of either study.
PAIRS = tuple(dict.fromkeys(pair for study in STUDIES.values() for pair in study.pairs))

# Paths hold the names of backbones shortened.
FULL_NAME = {folder_name(backbone): backbone for _, backbone in PAIRS}


def shaped_by(stage):
    """The flags that shape a stage's products: a parameter, so that a change redoes them."""
    return flags(STAGES[stage].Settings, config[SECTION.get(stage, stage)])


def how(stage):
    """The flags that change how a stage works but not what it makes: a resource, which redoes nothing."""
    effort = getattr(STAGES[stage], "Effort", None)
    shared = f"--max-failed-fraction {config['max_failed_fraction']} --trailer-timeout-s {config['trailer_timeout_s']}"
    return (
        f"{shared} {flags(effort, config[SECTION.get(stage, stage)]) if effort else ''}"
    )


def study_of(wildcards):
    """The study a shard belongs to; the paper's tables share the user's shards."""
    return STUDIES["demo" if wildcards.shard.startswith("d") else "study"]


def study_with(wildcards):
    """The study whose manifest names a trailer; the demo's is always there."""
    for study in (STUDIES["demo"], STUDIES["study"]):
        if wildcards.trailer in study.by_id:
            return study
    raise WorkflowError(
        f"no manifest names '{wildcards.trailer}'. Add it to {config['manifest']}."
    )


def digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def links(wildcards):
    """Changes when a link of the shard does, and only then: the manifest is no input of a bulk rule."""
    study = study_of(wildcards)
    members = study.shards.get(wildcards.shard, ())
    return digest([study.by_id[trailer].urls for trailer in members])


def poster_links(wildcards):
    """As ``links``, of the posters."""
    study = study_of(wildcards)
    members = study.shards.get(wildcards.shard, ())
    return digest([study.by_id[trailer].poster for trailer in members])


def attempts(stage):
    """How many runs of this shard left transient failures: one more asks for another run."""

    def count(wildcards):
        variant = [
            wildcards[name]
            for name in ("clips", "backbone")
            if name in wildcards.keys()
        ]
        return read_attempts(LAYOUT.attempts(stage, wildcards.shard, *variant))

    return count


def gpus(stage):
    """GPUs that a job of a stage holds: none where its device is the processor."""
    return int(config[SECTION.get(stage, stage)]["device"] != "cpu")


def gpu_threads(wildcards):
    """Threads of a GPU job: on one machine the run's cores shared out among its GPUs."""
    cores, gpus, nodes = (
        workflow.global_resources.get(name).value
        for name in ("_cores", "gpu", "_nodes")
    )
    # With nodes to submit to, --cores counts the cores of all of them together.
    return threads_per_gpu(cores if nodes is None else None, gpus)


def grown(amount):
    """A resource that doubles when a job is tried again."""
    return lambda wildcards, attempt: amount * 2 ** (attempt - 1)


def made_by_demo(wildcards):
    """The demo's videos are made before they are fetched."""
    return ["results/demo/cuts.csv"] if study_of(wildcards).name == "demo" else []


def full_name(wildcards):
    """The name of a backbone that its folder holds shortened."""
    return FULL_NAME.get(wildcards.backbone, wildcards.backbone)


def known_weights(wildcards):
    """Changes when the weights do that `snakemake weights` fetched or checked."""
    lock = Path(config["embed"]["weights_dir"]) / f"{wildcards.backbone}.json"
    return json.loads(lock.read_text())["lock"]["sha256"] if lock.exists() else ""


def besides(wildcards):
    """The other pairs that are asked for together with this one and that the shard lacks."""
    own = (wildcards.clips, full_name(wildcards))
    together = next(
        (
            study.own_pairs
            for study in STUDIES.values()
            if is_of(study, wildcards.shard, own)
        ),
        [],
    )
    lacking = [
        pair
        for pair in together
        if pair != own and not LAYOUT.ledger("embed", wildcards.shard, *pair).exists()
    ]
    names = shlex.join(f"{clips}/{backbone}" for clips, backbone in lacking)
    return f"--besides {names}"


def is_of(study, shard, pair):
    return shard.startswith(study.letter) and pair in study.own_pairs


def experiment_of(wildcards):
    """An experiment's own settings over those of config.yaml, classify."""
    return {
        **config["classify"],
        **EXPERIMENTS[wildcards.experiment].experiments[wildcards.experiment],
    }


def packs_of(wildcards):
    study, row = EXPERIMENTS[wildcards.experiment], experiment_of(wildcards)
    return [study.pack(row["clips"], backbone) for backbone in row["backbones"]]


def labels(wildcards):
    """Changes when genres or splits do, and only then."""
    return digest(
        [
            [row.trailer, row.genres, row.splits]
            for row in EXPERIMENTS[wildcards.experiment].trailers
        ]
    )


# Wildcards match slashes. Without these, embed/{backbone} also matches what lies below it.
wildcard_constraints:
    trailer=r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}",
    shard=r"[sd]\d{4,6}-[0-9a-f]{8}",
    clips=r"(shot|seq)\d+(-fps\d+)?",
    backbone=r"[A-Za-z0-9_.-]+",
    experiment=r"[A-Za-z0-9_.-]+",
    study=r"study|demo",
    split=r"[012]",
