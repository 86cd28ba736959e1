# Download the videos as published (Sec. 3).
#
# in   rows of the manifest
# out  results/download/{trailer}.json: the receipt, beside the video it names


rule download:
    input:
        lambda wildcards: PLAN.of_shard(wildcards.shard).prerequisites,
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("download", "{shard}"),
    log:
        "logs/download/{shard}.log",
    localrule: not config["nodes_reach_network"]
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
        how=effort("download"),
        mem_mb=doubled_per_retry(1000),
        runtime=doubled_per_retry(720),
    params:
        flags=shaping_flags(config, "download"),
        links_of=links_of_shard,
        links=for_shard(reruns.links),
        attempts=attempts("download"),
    shell:
        "python -m trailers download --shard {input.shard:q} --ledger {output:q} {params.links_of}"
        " {params.flags} {resources.how} >{log:q} 2>&1"


rule download_one:
    output:
        LAYOUT.receipt("{trailer}"),
    log:
        "logs/download/{trailer}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
        how=effort("download"),
    params:
        flags=shaping_flags(config, "download"),
        links_of=links_with_trailer,
        links=for_trailer(reruns.links_of_one),
    shell:
        "python -m trailers download --trailer {wildcards.trailer:q} {params.links_of}"
        " {params.flags} {resources.how} >{log:q} 2>&1"
