# Get the videos as published (Sec. 3).
#
# in   rows of the manifest
# out  results/download/{trailer}.json: the receipt, beside the video it names

# What a network allows does not shape the product, so it is no parameter of the rules.
DOWNLOAD_EFFORT = flags(download.Effort, config["download"])


def made_by_demo(wildcards):
    """The demo's videos are made before they are fetched."""
    return [DEMO_CUTS] if study_of(wildcards).name == "demo" else []


rule download:
    input:
        ancient(made_by_demo),
        shard=ancient(LAYOUT.shard("{shard}")),
    output:
        LAYOUT.ledger("download", "{shard}"),
    log:
        "logs/download/{shard}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
        mem_mb=grown(1000),
        runtime=grown(720),
    params:
        flags=flags(download.Settings, config["download"]),
        manifest=lambda wildcards: study_of(wildcards).manifest,
        links=links,
        attempts=attempts("download"),
    shell:
        "python -m trailers download --shard {input.shard} --ledger {output} --manifest {params.manifest:q}"
        " --max-failed-fraction {config[max_failed_fraction]} {params.flags} {DOWNLOAD_EFFORT} >{log} 2>&1"


rule download_one:
    output:
        LAYOUT.receipt("{trailer}"),
    log:
        "logs/download/{trailer}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
    params:
        flags=flags(download.Settings, config["download"]),
        manifest=lambda wildcards: study_with(wildcards).manifest,
    shell:
        "python -m trailers download --trailer {wildcards.trailer} --manifest {params.manifest:q}"
        " {params.flags} {DOWNLOAD_EFFORT} >{log} 2>&1"
