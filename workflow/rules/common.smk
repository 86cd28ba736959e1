# What all rules share: the plan, and functions that compute inputs, parameters and resources from it.

import functools
import shlex
import sys
import time

from snakemake.utils import available_cpu_count

STARTED = time.time()
PROJECT = Path(workflow.basedir)
sys.path.insert(0, str(PROJECT / "src"))

from trailers.config import read_config
from trailers.domain import SPLITS
from trailers.errors import TrailerError
from trailers.genres import genres_flag
from trailers.machine.threads import (
    threads_per_gpu,
    threads_per_shard,
    threads_per_training,
)
from trailers.plan import reruns, terminal
from trailers.plan.checks import check_study, check_working_folder
from trailers.plan.remarks import remarks
from trailers.plan.flags import (
    effort_flags,
    gpus,
    page_flags,
    settings_text,
    shaping_flags,
)
from trailers.plan.replication import PREFIX, pack_path, store_of
from trailers.plan.studies import make_plan
from trailers.plan.titles import check_titles
from trailers.settings import flags
from trailers.stages import classify
from trailers.store.fingerprint import sha256_of
from trailers.yaml_file import is_template

# PYTHONPATH set outside is dropped for conda environments, so it is set inside the command. An installed package has
# no src beside its Snakefile, and its python finds it by itself.
SOURCES = PROJECT / "src"
# A job's error message bypasses its log and goes to the terminal, which stays open as descriptor 3
# (trailers.machine.terminal). Where a job ends by a signal with a trap, bash does not print its whole command.
shell.prefix(
    "set -euo pipefail; trap : ALRM ABRT BUS FPE ILL SEGV; exec 3>&2; export TRAILERS_TERMINAL=3; "
    + (f"export PYTHONPATH={shlex.quote(str(SOURCES))}; " if SOURCES.is_dir() else "")
)


def without_traceback(function):
    """``function``, but its TrailerErrors end Snakemake with their message instead of a traceback."""

    @functools.wraps(function)
    def wrapped(*arguments, **named):
        try:
            return function(*arguments, **named)
        except TrailerError as problem:
            # Not WorkflowError, which adds rule, wildcards and traceback.
            sys.exit(f"error: {problem}")

    return wrapped


# Without --cores and --jobs a run uses all cores of this machine, so `snakemake weights` just works.
if workflow.resource_settings.cores is workflow.resource_settings.nodes is None:
    workflow.resource_settings.cores = available_cpu_count()
    workflow.register_resource("_cores", workflow.resource_settings.cores)

# Without --resources network=N two downloads run at once, because sites block clients that ask for many videos.
if "network" not in workflow.resource_settings.resources:
    workflow.register_resource("network", 2)

# Snakemake makes its folder .snakemake after it has read this file; if it cannot, it ends with a traceback.
if workflow.is_main_process:
    without_traceback(check_working_folder)()

# --config and --configfile override the files; everything is checked. `configfile:` is not used, because it refuses a
# file that contains only comments and does not name the line of an error. The files of --configfile are read again,
# because Snakemake silently takes the last of two equal keys; its result for a template is used as it is.
GIVEN_SETTINGS = workflow.config_settings
config.update(
    without_traceback(read_config)(config)
    if any(map(is_template, GIVEN_SETTINGS.configfiles))
    else without_traceback(read_config)(
        GIVEN_SETTINGS.config, files=GIVEN_SETTINGS.configfiles
    )
)

PLAN = without_traceback(make_plan)(config, PROJECT)
LAYOUT = PLAN.layout
STUDY, TABLES, DEMO = PLAN.users, PLAN.paper, PLAN.demo
EXPERIMENTS_SHOWN = config["pages"]["with_experiments"]


@functools.cache
def check(study):
    """End Snakemake when something about ``study`` is known to be wrong before its first job starts."""
    runs_here = workflow.local_exec and not workflow.dryrun
    problems = check_study(PLAN, study, runs_here=runs_here)
    if problems:
        sys.exit("\n".join(f"error: {problem}" for problem in problems))
    for remark in remarks(PLAN, study):
        print(f"warning: {remark}", file=sys.stderr)


@functools.cache
def check_search():
    """As ``check``, for the search of titles."""
    problems = check_titles(PLAN.titles, config)
    if problems:
        sys.exit("\n".join(f"error: {problem}" for problem in problems))


def target(study, function):
    """The inputs of a target of ``study``; the study is checked before they are computed."""
    return lambda wildcards: (check(study), without_traceback(function)())[1]


def when_needed(function, *arguments):
    """An input or parameter that is computed only for jobs of the run, because it may read the manifest."""
    return lambda wildcards: without_traceback(function)(*arguments)


def for_shard(function, *arguments):
    """As ``when_needed``, for a function of the plan and the shard of the job."""
    return lambda wildcards: without_traceback(function)(
        PLAN, *arguments, wildcards.shard
    )


def for_trailer(function):
    return lambda wildcards: without_traceback(function)(PLAN, wildcards.trailer)


def for_backbone(function):
    return lambda wildcards: without_traceback(function)(PLAN, wildcards.backbone)


def for_experiment(function):
    return lambda wildcards: without_traceback(function)(wildcards.experiment)


def full_name(wildcards):
    """The full name of a backbone; the wildcard contains the shortened name of its folder."""
    return PLAN.full_name(wildcards.backbone)


def links_of_shard(wildcards):
    return PLAN.of_shard(wildcards.shard).link_flags()


def links_with_trailer(wildcards):
    return without_traceback(PLAN.with_trailer)(wildcards.trailer).link_flags()


def attempts(stage, *variant):
    """The number of attempts: if it has increased since the ledger was written, Snakemake runs the shard again."""
    return lambda wildcards: reruns.attempts(
        PLAN, stage, wildcards.shard, *(wildcards[name] for name in variant)
    )


def gpu_threads(wildcards):
    """Threads of a GPU job: on one machine, the run's cores divided by the number of its GPUs."""
    cores, gpus, nodes = (
        workflow.global_resources.get(name).value
        for name in ("_cores", "gpu", "_nodes")
    )
    # If jobs are submitted to nodes, --cores counts the cores of all nodes together.
    return threads_per_gpu(cores if nodes is None else None, gpus)


def training_flags(wildcards):
    """Flags that shape the result of a training: its settings and, if trailers are excluded, the list of them."""
    settings = flags(classify.Settings, PLAN.experiment(wildcards.experiment))
    excluded = [f"--excluded={path}" for path in PLAN.excluded_of(wildcards.experiment)]
    return " ".join([settings, *map(shlex.quote, excluded)])


def training_effort(wildcards):
    """The other flags of a training. Genres are not a parameter, because `labels` changes whenever their list does."""
    genres = PLAN.by_experiment[wildcards.experiment].genres
    return f"{genres_flag(genres)} {flags(classify.Effort, config['classify'])}"


def training_threads(wildcards):
    """Threads of a training: on one machine, the run's cores divided by the number of trainings."""
    cores, nodes = (
        workflow.global_resources.get(name).value for name in ("_cores", "_nodes")
    )
    targets = workflow.dag_settings.targets
    trainings = [name for name in targets if Path(name).name == "metrics.json"]
    if not trainings or len(trainings) < len(targets):
        experiments = PLAN.by_experiment[wildcards.experiment].experiments
        trainings = [(name, split) for name in experiments for split in SPLITS]
    return threads_per_training(cores if nodes is None else None, len(trainings))


def shard_threads(wildcards):
    """Threads of a job that processes several trailers at once: more if there are only a few shards."""
    cores, nodes = (
        workflow.global_resources.get(name).value for name in ("_cores", "_nodes")
    )
    shards = PLAN.of_shard(wildcards.shard).shards
    return threads_per_shard(
        cores if nodes is None else None, len(shards), len(shards[wildcards.shard])
    )


def doubled_per_retry(amount):
    """A resource that doubles with every retry of a job."""
    return lambda wildcards, attempt: amount * 2 ** (attempt - 1)


def effort(stage):
    """Flags that do not change products. They are a resource, not a parameter: a change of them redoes nothing."""
    return effort_flags(config, stage)


def extra_pairs(wildcards):
    pairs = PLAN.extra_pairs(
        wildcards.shard, (wildcards.clips, PLAN.full_name(wildcards.backbone))
    )
    return shlex.join(f"{clips}/{backbone}" for clips, backbone in pairs)


def page_clips(plan, shard):
    """The ledgers of all clip strategies that the pages of this shard show."""
    strategies = plan.of_shard(shard).all_strategies
    return [LAYOUT.ledger("clips", shard, clips) for clips in strategies]


def existing_files(*functions):
    """The files of ``functions`` that exist. The report uses them if they exist, and is made again when they appear."""

    def existing(wildcards):
        results = [without_traceback(function)() for function in functions]
        paths = [
            path
            for result in results
            for path in ([result] if isinstance(result, str) else result)
        ]
        return [path for path in paths if Path(path).exists()]

    return existing


METADATA = config["metadata"] or []


def metadata_flags():
    """The flag for the file of metadata that config.yaml names, if it names one."""
    path = config["metadata"]
    return f"--metadata {shlex.quote(path)}" if path else ""


def description_flags(study):
    """Flags for what the reports of ``study`` describe: its genres, and the metadata of its titles."""
    return " ".join(filter(None, (metadata_flags(), study.genres_flag())))


def settings_of(study):
    return when_needed(
        lambda: settings_text(config, (stage for stage, *_ in study.stages))
    )


# Wildcards match slashes: without these constraints, embed/{backbone} would also match the files below it.
wildcard_constraints:
    trailer=r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}",
    shard=r"[sdt]\d{4,6}-[0-9a-f]{8}",
    clips=r"(shot|seq)\d+(-fps\d+)?",
    backbone=r"[A-Za-z0-9_.+-]+",
    experiment=r"[A-Za-z0-9_.-]+",
    study=r"study|demo",
    split=r"[012]",


# Shows one line per running stage, and the error message of a failed job.
onstart:
    terminal.begin(workflow, PLAN)
