# Turn clips into vectors with 2D and 3D backbones (Sec. 5, 7.5).
#
# in   results/normalise/{trailer}.mp4, results/clips/{clips}/{trailer}.csv
# out  results/embed/{clips}/{backbone}/{trailer}.h5
#
# One job embeds a shard for every pair of clip strategy and backbone that it lacks: they share one
# decoding of each trailer. The ledgers are `update` files, so a new pair leaves those of the old
# ones alone, also when its job fails.


rule embed:
    input:
        upstream=clip_ledgers("study"),
        shard=ancient(LAYOUT.shard("{shard}")),
    output:
        update(embed_ledgers("study")),
    log:
        "logs/embed/{shard}.log",
    wildcard_constraints:
        shard=r"s\d{4,6}-[0-9a-f]{8}",
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        gpu=1,
        how=f"{all_names()} {how('embed')}",
        mem_mb=grown(8000),
        runtime=grown(480),
    params:
        flags=shaped_by("embed"),
        attempts=attempts("embed", *STUDIES["study"].pairs),
        weights=weights_of("study"),
    shell:
        "python -m trailers lease -- python -m trailers embed --shard {input.shard} --ledger {output}"
        " {params.flags} {resources.how} >{log} 2>&1"


use rule embed as embed_demo with:
    input:
        upstream=clip_ledgers("demo"),
        shard=ancient(LAYOUT.shard("{shard}")),
    output:
        update(embed_ledgers("demo")),
    wildcard_constraints:
        shard=r"d\d{4,6}-[0-9a-f]{8}",
    params:
        flags=shaped_by("embed"),
        attempts=attempts("embed", *STUDIES["demo"].pairs),
        weights=weights_of("demo"),


# What the paper's tables need beyond what config.yaml asks for.
if STUDIES["tables"].own_pairs:

    use rule embed as embed_tables with:
        input:
            upstream=clip_ledgers("tables"),
            shard=ancient(LAYOUT.shard("{shard}")),
        output:
            update(embed_ledgers("tables")),
        log:
            "logs/embed/tables/{shard}.log",
        wildcard_constraints:
            shard=r"s\d{4,6}-[0-9a-f]{8}",
        params:
            flags=shaped_by("embed"),
            attempts=attempts("embed", *STUDIES["tables"].own_pairs),
            weights=weights_of("tables"),


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
        how=how("embed"),
    params:
        flags=shaped_by("embed"),
        backbone=lambda wildcards: FULL_NAME.get(wildcards.backbone, wildcards.backbone),
    shell:
        "python -m trailers lease -- python -m trailers embed --trailer {wildcards.trailer} --clips {wildcards.clips}"
        " --backbones {params.backbone:q} {params.flags} {resources.how} >{log} 2>&1"


# Where there is a network: fetch all weights asked for. Compute nodes need none then.
rule weights:
    log:
        "logs/weights.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        backbones=shlex.join(dict.fromkeys(name for _, name in STUDIES["study"].pairs)),
        weights_dir=config["embed"]["weights_dir"],
    shell:
        "python -m trailers weights --backbones {params.backbones} --weights-dir {params.weights_dir:q} 2>&1 | tee {log}"
