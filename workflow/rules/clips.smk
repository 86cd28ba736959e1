# Cut shots into clips of equal length and choose the frame that represents each (Sec. 5, step 2; Sec. 7.1).
#
# in   results/shots/{trailer}.csv, results/normalise/{trailer}.frames.h5
# out  results/clips/{clips}/{trailer}.csv: shot, start, end, padding, frame


rule clips:
    input:
        upstream=LAYOUT.ledger("shots", "{shard}"),
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("clips", "{shard}", "{clips}"),
    log:
        "logs/clips/{clips}/{shard}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        how=effort("clips"),
        mem_mb=doubled_per_retry(1000),
        runtime=doubled_per_retry(60),
    params:
        flags=shaping_flags(config, "clips"),
        attempts=attempts("clips", "clips"),
    shell:
        "python -m trailers clips --shard {input.shard:q} --upstream {input.upstream:q} --ledger {output:q}"
        " --clips {wildcards.clips:q} {params.flags} {resources.how} >{log:q} 2>&1"


rule clips_one:
    input:
        LAYOUT.shots("{trailer}"),
        LAYOUT.frames("{trailer}"),
    output:
        LAYOUT.clips("{clips}", "{trailer}"),
    log:
        "logs/clips/{clips}/{trailer}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        how=effort("clips"),
    params:
        flags=shaping_flags(config, "clips"),
    shell:
        "python -m trailers clips --trailer {wildcards.trailer:q} --clips {wildcards.clips:q} {params.flags} {resources.how} >{log:q} 2>&1"
