# Re-encode to constant 24 fps and keep the frames that detection needs (Sec. 3).
#
# in   results/download/{trailer}.json
# out  results/normalise/{trailer}.mp4, results/normalise/{trailer}.frames.h5


rule normalise:
    input:
        upstream=LAYOUT.ledger("download", "{shard}"),
        shard=ancient(LAYOUT.shard("{shard}")),
    output:
        LAYOUT.ledger("normalise", "{shard}"),
    log:
        "logs/normalise/{shard}.log",
    conda:
        "../../envs/media.yaml"
    threads: 4
    resources:
        mem_mb=grown(2000),
        runtime=grown(240),
    params:
        flags=flags(normalise.Settings, config["normalise"]),
        attempts=attempts("normalise"),
    shell:
        "python -m trailers normalise --shard {input.shard} --upstream {input.upstream} --ledger {output}"
        " --max-failed-fraction {config[max_failed_fraction]} {params.flags} {NORMALISE_EFFORT} >{log} 2>&1"


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
    threads: 4
    params:
        flags=flags(normalise.Settings, config["normalise"]),
    shell:
        "python -m trailers normalise --trailer {wildcards.trailer} {params.flags} {NORMALISE_EFFORT} >{log} 2>&1"
