# Find shots with TransNet V2 (Sec. 5, step 1) or another detector.
#
# in   results/normalise/{trailer}.frames.h5
# out  results/shots/{trailer}.csv: start, end; results/shots/{trailer}.scores.h5: both heads' probabilities


rule shots:
    input:
        upstream=LAYOUT.ledger("normalise", "{shard}"),
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("shots", "{shard}"),
    log:
        "logs/shots/{shard}.log",
    conda:
        "../../envs/torch.yaml"
    threads: gpu_threads
    resources:
        gpu=gpus(config, "shots"),
        how=effort("shots"),
        mem_mb=doubled_per_retry(4000),
        runtime=doubled_per_retry(240),
    params:
        flags=shaping_flags(config, "shots"),
        detector=when_needed(reruns.detector, PLAN),  # an edit of the user's function makes the shots again
        attempts=attempts("shots"),
    shell:
        "python -m trailers lease --gpus {resources.gpu} -- python -m trailers shots --shard {input.shard:q} --upstream {input.upstream:q} --ledger {output:q}"
        " {params.flags} {resources.how} >{log:q} 2>&1"


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
    threads: gpu_threads
    resources:
        gpu=gpus(config, "shots"),
        how=effort("shots"),
    params:
        flags=shaping_flags(config, "shots"),
        detector=when_needed(reruns.detector, PLAN),  # an edit of the user's function makes the shots again
    shell:
        "python -m trailers lease --gpus {resources.gpu} -- python -m trailers shots --trailer {wildcards.trailer:q} {params.flags} {resources.how} >{log:q} 2>&1"
