# Turn clips into vectors with 2D and 3D backbones (Sec. 5, 7.5).
#
# in   results/normalise/{trailer}.mp4, results/clips/{clips}/{trailer}.csv
# out  results/embed/{clips}/{backbone}/{trailer}.h5
#
# One job embeds a shard for every pair of clip strategy and backbone that it lacks: they share one
# decoding of each trailer. The ledgers are `update` files, so a new pair leaves those of the old
# ones alone, also when its job fails.

EMBED_EFFORT = flags(embed.Effort, config["embed"])

ALL_PAIRS = [pair for study in STUDIES.values() for pair in study.pairs]

# Paths hold the names of backbones shortened; the worker does the pairs whose ledgers it is to write.
NAMES = shlex.join(
    ["--clips", *dict.fromkeys(clips for clips, _ in ALL_PAIRS), "--backbones", *dict.fromkeys(name for _, name in ALL_PAIRS)]
)
FULL_NAME = {folder_name(name): name for _, name in ALL_PAIRS}


def embed_ledgers(study):
    return [LAYOUT.ledger("embed", "{shard}", *pair) for pair in STUDIES[study].pairs]


def clip_ledgers(study):
    strategies = dict.fromkeys(clips for clips, _ in STUDIES[study].pairs)
    return [LAYOUT.ledger("clips", "{shard}", strategy) for strategy in strategies]


rule embed:
    input:
        upstream=clip_ledgers("study"),
        shard=ancient(LAYOUT.shard("{shard}")),
    output:
        update(embed_ledgers("study")),
    wildcard_constraints:
        shard=r"s\d{4,6}-[0-9a-f]{8}",
    log:
        "logs/embed/{shard}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=grown(8000),
        runtime=grown(480),
    params:
        flags=flags(embed.Settings, config["embed"]),
        attempts=attempts("embed", *STUDIES["study"].pairs),
    shell:
        "{LEASE} python -m trailers embed --shard {input.shard} --ledger {output} {NAMES}"
        " --max-failed-fraction {config[max_failed_fraction]} {params.flags} {EMBED_EFFORT} >{log} 2>&1"


use rule embed as embed_demo with:
    input:
        upstream=clip_ledgers("demo"),
        shard=ancient(LAYOUT.shard("{shard}")),
    output:
        update(embed_ledgers("demo")),
    wildcard_constraints:
        shard=r"d\d{4,6}-[0-9a-f]{8}",
    params:
        flags=flags(embed.Settings, config["embed"]),
        attempts=attempts("embed", *STUDIES["demo"].pairs),


rule embed_one:
    input:
        LAYOUT.video("{trailer}"),
        LAYOUT.clips("{clips}", "{trailer}"),
    output:
        LAYOUT.embedding("{clips}", "{backbone}", "{trailer}"),
    log:
        "logs/embed/{clips}/{backbone}/{trailer}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        gpu=1,
    params:
        flags=flags(embed.Settings, config["embed"]),
        backbone=lambda wildcards: FULL_NAME.get(wildcards.backbone, wildcards.backbone),
    shell:
        "{LEASE} python -m trailers embed --trailer {wildcards.trailer} --clips {wildcards.clips}"
        " --backbones {params.backbone:q} {params.flags} {EMBED_EFFORT} >{log} 2>&1"


# Where there is a network: fetch all weights asked for. Compute nodes need none then.
rule weights:
    localrule: True
    log:
        "logs/weights.log",
    conda:
        "../../envs/torch.yaml"
    params:
        backbones=shlex.join(dict.fromkeys(name for _, name in ALL_PAIRS)),
        weights_dir=config["embed"]["weights_dir"],
    shell:
        "python -m trailers weights --backbones {params.backbones} --weights-dir {params.weights_dir:q} 2>&1 | tee {log}"
