# Find shots with TransNet V2 (Sec. 5, step 1).
#
# in   results/normalise/{trailer}.frames.h5
# out  results/shots/{trailer}.csv: start, end; results/shots/{trailer}.scores.h5: both heads' probabilities

SHOTS_EFFORT = flags(shots.Effort, config["shots"])


rule shots:
    input:
        upstream=LAYOUT.ledger("normalise", "{shard}"),
        shard=ancient(LAYOUT.shard("{shard}")),
    output:
        LAYOUT.ledger("shots", "{shard}"),
    log:
        "logs/shots/{shard}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=grown(4000),
        runtime=grown(240),
    params:
        flags=flags(shots.Settings, config["shots"]),
        attempts=attempts("shots"),
    shell:
        "{LEASE} python -m trailers shots --shard {input.shard} --upstream {input.upstream} --ledger {output}"
        " --max-failed-fraction {config[max_failed_fraction]} {params.flags} {SHOTS_EFFORT} >{log} 2>&1"


rule shots_one:
    input:
        LAYOUT.frames("{trailer}"),
    output:
        LAYOUT.shots("{trailer}"),
        LAYOUT.scores("{trailer}"),
    log:
        "logs/shots/{trailer}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        gpu=1,
    params:
        flags=flags(shots.Settings, config["shots"]),
    shell:
        "{LEASE} python -m trailers shots --trailer {wildcards.trailer} {params.flags} {SHOTS_EFFORT} >{log} 2>&1"
