# Flag black bars, black and still parts, cards and copies before a classifier is trained on them (Sec. 3).
#
# in   results/normalise/{trailer}.frames.h5 and .mp4, results/shots/{trailer}.csv
# out  results/quality/{trailer}.json: flags with reasons and times, the area inside the bars, fingerprints of pictures
#      results/quality/duplicates.csv: trailers that are copies of each other
#      results/quality/excluded.csv: trailers that the flags of quality.exclude exclude from training and tests

from trailers.stages import duplicates


rule quality_of_shard:
    input:
        upstream=LAYOUT.ledger("shots", "{shard}"),
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("quality", "{shard}"),
    log:
        "logs/quality/{shard}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        how=effort("quality"),
        mem_mb=doubled_per_retry(2000),
        runtime=doubled_per_retry(120),
    params:
        flags=shaping_flags(config, "quality"),
        attempts=attempts("quality"),
    shell:
        "python -m trailers quality --shard {input.shard:q} --upstream {input.upstream:q} --ledger {output:q}"
        " {params.flags} {resources.how} >{log:q} 2>&1"


rule quality_one:
    input:
        LAYOUT.shots("{trailer}"),
        LAYOUT.frames("{trailer}"),
        LAYOUT.video("{trailer}"),
    output:
        LAYOUT.quality("{trailer}"),
    log:
        "logs/quality/{trailer}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        how=effort("quality"),
    params:
        flags=shaping_flags(config, "quality"),
    shell:
        "python -m trailers quality --trailer {wildcards.trailer:q} {params.flags} {resources.how} >{log:q} 2>&1"


rule duplicates_of_study:
    input:
        ledgers=when_needed(STUDY.quality_ledgers),
    output:
        LAYOUT.duplicates(),
    log:
        "logs/quality/duplicates.log",
    conda:
        "../../envs/media.yaml"
    resources:
        mem_mb=doubled_per_retry(8000),
        runtime=doubled_per_retry(120),
    params:
        flags=flags(duplicates.Settings, config["quality"]),
        manifest=str(STUDY.manifest),
        splits=when_needed(reruns.splits, STUDY),
        ledgers=when_needed(STUDY.ledger_flags_of, [("quality",)]),
    shell:
        "python -m trailers duplicates --manifest {params.manifest:q} {params.ledgers} {params.flags} --output {output:q}"
        " >{log:q} 2>&1"


rule excluded_of_study:
    input:
        ledgers=when_needed(STUDY.quality_ledgers),
        duplicates=LAYOUT.duplicates(),
    output:
        LAYOUT.excluded(),
    log:
        "logs/quality/excluded.log",
    localrule: True
    conda:
        "../../envs/media.yaml"
    params:
        flags=shlex.join(STUDY.excluded_flags),
        manifest=str(STUDY.manifest),
        ledgers=when_needed(STUDY.ledger_flags_of, [("quality",)]),
    shell:
        "python -m trailers exclude --manifest {params.manifest:q} {params.ledgers} --duplicates {input.duplicates:q}"
        " --flags {params.flags} --output {output:q} >{log:q} 2>&1"


rule quality:
    input:
        target(STUDY, STUDY.quality_files),
    localrule: True
