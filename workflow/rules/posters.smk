# Download the posters of the manifest and turn them into vectors with the 2D backbones (Sec. 3).
#
# in   the manifest's column poster
# out  results/posters/{trailer}.json: the receipt, beside the image it names
#      results/posters/{backbone}/{trailer}.h5


rule download_posters:
    input:
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("posters", "{shard}"),
    log:
        "logs/posters/{shard}.log",
    localrule: not config["nodes_reach_network"]
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
        how=effort("download"),
        mem_mb=doubled_per_retry(1000),
        runtime=doubled_per_retry(240),
    params:
        links_of=links_of_shard,
        links=for_shard(reruns.poster_links),
        attempts=attempts("posters"),
    shell:
        "python -m trailers download --posters --shard {input.shard:q} --ledger {output:q} {params.links_of}"
        " {resources.how} >{log:q} 2>&1"


rule download_posters_one:
    output:
        LAYOUT.poster_receipt("{trailer}"),
    log:
        "logs/posters/{trailer}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
        how=effort("download"),
    params:
        links_of=links_with_trailer,
        links=for_trailer(reruns.poster_links_of_one),
    shell:
        "python -m trailers download --posters --trailer {wildcards.trailer:q} {params.links_of}"
        " {resources.how} >{log:q} 2>&1"


rule embed_posters:
    input:
        upstream=LAYOUT.ledger("posters", "{shard}"),
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("posters", "{shard}", "{backbone}"),
    log:
        "logs/posters/{backbone}/{shard}.log",
    conda:
        "../../envs/torch.yaml"
    threads: gpu_threads
    resources:
        gpu=gpus(config, "embed"),
        how=effort("posters"),
        mem_mb=doubled_per_retry(4000),
        runtime=doubled_per_retry(60),
    params:
        flags=shaping_flags(config, "posters"),
        backbone=full_name,
        attempts=attempts("posters", "backbone"),
        weights=for_backbone(reruns.weights),
    shell:
        "python -m trailers lease --gpus {resources.gpu} -- python -m trailers posters --shard {input.shard:q} --upstream {input.upstream:q}"
        " --ledger {output:q} --backbone {params.backbone:q} {params.flags} {resources.how} >{log:q} 2>&1"


rule embed_posters_one:
    input:
        LAYOUT.poster_receipt("{trailer}"),
    output:
        LAYOUT.poster("{backbone}", "{trailer}"),
    log:
        "logs/posters/{backbone}/{trailer}.log",
    conda:
        "../../envs/torch.yaml"
    threads: gpu_threads
    resources:
        gpu=gpus(config, "embed"),
        how=effort("posters"),
    params:
        flags=shaping_flags(config, "posters"),
        backbone=full_name,
        weights=for_backbone(reruns.weights),
    shell:
        "python -m trailers lease --gpus {resources.gpu} -- python -m trailers posters --trailer {wildcards.trailer:q}"
        " --backbone {params.backbone:q} {params.flags} {resources.how} >{log:q} 2>&1"


rule posters:
    input:
        target(STUDY, STUDY.poster_ledgers),
    localrule: True
