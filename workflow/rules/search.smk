# Search a video site for the trailers of titles (Sec. 3, step 2). Needs titles.csv but not a manifest.
#
# in   rows of titles.csv
# out  results/search/{trailer}.json: the candidates with their scores; results/candidates.csv: those of all titles


rule search_shard:
    input:
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("search", "{shard}"),
    log:
        "logs/search/{shard}.log",
    localrule: not config["nodes_reach_network"]
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
        how=effort("download"),
        mem_mb=doubled_per_retry(1000),
        runtime=doubled_per_retry(720),
    params:
        # A function, because Snakemake reads the braces of the template as wildcards.
        flags=lambda wildcards: shaping_flags(config, "search"),
        titles=config["search"]["titles"],
        rows=for_shard(reruns.titles),
        attempts=attempts("search"),
    shell:
        "python -m trailers search --shard {input.shard:q} --ledger {output:q} --titles {params.titles:q}"
        " {params.flags} {resources.how} >{log:q} 2>&1"


rule search_one:
    output:
        LAYOUT.candidates("{trailer}"),
    log:
        "logs/search/{trailer}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
        how=effort("download"),
    params:
        flags=lambda wildcards: shaping_flags(config, "search"),
        titles=config["search"]["titles"],
    shell:
        "python -m trailers search --trailer {wildcards.trailer:q} --titles {params.titles:q}"
        " {params.flags} {resources.how} >{log:q} 2>&1"


rule search_table:
    input:
        ledgers=when_needed(PLAN.titles.ledgers),
    output:
        PLAN.titles.table(),
    log:
        "logs/search/table.log",
    localrule: True
    conda:
        "../../envs/media.yaml"
    params:
        titles=config["search"]["titles"],
    shell:
        "python -m trailers candidates --titles {params.titles:q} --output {output:q} >{log:q} 2>&1"


rule search:
    input:
        lambda wildcards: (check_search(), PLAN.titles.table())[1],
    localrule: True
