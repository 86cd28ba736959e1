# Re-encode to constant 24 fps and keep the frames that detection needs (Sec. 3).
#
# in   results/download/{trailer}.json
# out  results/normalise/{trailer}.mp4, results/normalise/{trailer}.frames.h5


rule normalise:
    input:
        upstream=LAYOUT.ledger("download", "{shard}"),
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("normalise", "{shard}"),
    log:
        "logs/normalise/{shard}.log",
    conda:
        "../../envs/media.yaml"
    threads: shard_threads
    resources:
        how=effort("normalise"),
        # Enough for two threads; on one machine a job may have more threads.
        mem_mb=lambda wildcards, attempt, threads: 1000
        * max(2, threads)
        * 2 ** (attempt - 1),
        runtime=doubled_per_retry(240),
    params:
        flags=shaping_flags(config, "normalise"),
        attempts=attempts("normalise"),
    shell:
        "python -m trailers normalise --shard {input.shard:q} --upstream {input.upstream:q} --ledger {output:q}"
        " {params.flags} {resources.how} >{log:q} 2>&1"


rule normalise_one:
    input:
        LAYOUT.receipt("{trailer}"),
    output:
        LAYOUT.video("{trailer}"),
        LAYOUT.frames("{trailer}"),
    log:
        "logs/normalise/{trailer}.log",
    conda:
        "../../envs/media.yaml"
    threads: 2
    resources:
        how=effort("normalise"),
    params:
        flags=shaping_flags(config, "normalise"),
    shell:
        "python -m trailers normalise --trailer {wildcards.trailer:q} {params.flags} {resources.how} >{log:q} 2>&1"
