# Get the videos as published (Sec. 3).
#
# in   rows of the manifest
# out  results/download/{trailer}.json: the receipt, beside the video it names


rule download:
    input:
        ancient(made_by_demo),
        shard=ancient(LAYOUT.shard("{shard}")),
    output:
        LAYOUT.ledger("download", "{shard}"),
    log:
        "logs/download/{shard}.log",
    localrule: not config["nodes_reach_network"]
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
        how=how("download"),
        mem_mb=grown(1000),
        runtime=grown(720),
    params:
        flags=shaped_by("download"),
        manifest=lambda wildcards: study_of(wildcards).manifest,
        links=links,
        attempts=attempts("download"),
    shell:
        "python -m trailers download --shard {input.shard} --ledger {output} --manifest {params.manifest:q}"
        " {params.flags} {resources.how} >{log} 2>&1"


rule download_one:
    output:
        LAYOUT.receipt("{trailer}"),
    log:
        "logs/download/{trailer}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
        how=how("download"),
    params:
        flags=shaped_by("download"),
        manifest=lambda wildcards: study_with(wildcards).manifest,
    shell:
        "python -m trailers download --trailer {wildcards.trailer} --manifest {params.manifest:q}"
        " {params.flags} {resources.how} >{log} 2>&1"
