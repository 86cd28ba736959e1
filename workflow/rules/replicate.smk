# Make the paper's tables from the labels, splits and embeddings that its authors publish (Zenodo record 5716410).
#
# in   {folder}/mtgc.csv, {folder}/*.zarr.tar.gz: downloaded, or put there by hand (config.yaml, replicate)
# out  results/replicate/manifest.csv, results/replicate/packs/{clips}/{backbone}.h5,
#      results/replicate/tables/, results/report/replicate/index.html

REPLICATION = PLAN.replication
# A function passes these flags, because Snakemake would read {name} in the address as a wildcard.
ARCHIVES = shlex.join(
    [
        "--folder",
        config["replicate"]["folder"],
        "--record",
        config["replicate"]["record"],
    ]
    + (["--md5s", config["replicate"]["md5s"]] if config["replicate"]["md5s"] else [])
)


rule replicate_manifest:
    output:
        str(REPLICATION.manifest),
    log:
        "logs/replicate/manifest.log",
    localrule: not config["nodes_reach_network"]
    conda:
        "../../envs/media.yaml"
    resources:
        network=1,
    params:
        archives=lambda wildcards: ARCHIVES,
        labels=str(Path(config["replicate"]["folder"]) / "mtgc.csv"),
    shell:
        "(python -m trailers archives {params.archives} --only mtgc &&"
        " python -m trailers manifest --trailers12k {params.labels:q} --without-links --output {output:q}) >{log:q} 2>&1"


# The archive is not declared as an output, because Snakemake would remove its gigabytes before it repeats the job.
rule replicate_pack:
    input:
        manifest=str(REPLICATION.manifest),
    output:
        pack_path(LAYOUT),
    log:
        "logs/replicate/{clips}/{backbone}.log",
    localrule: not config["nodes_reach_network"]
    conda:
        "../../envs/torch.yaml"
    resources:
        network=1,
    params:
        archives=lambda wildcards: ARCHIVES,
        store=lambda wildcards: store_of(
            config, wildcards.clips, wildcards.backbone
        ).stem,
        archive=lambda wildcards: str(
            Path(config["replicate"]["folder"])
            / store_of(config, wildcards.clips, wildcards.backbone).name
        ),
    shell:
        "(python -m trailers archives {params.archives} --only {params.store:q} &&"
        " python -m trailers import {params.archive:q} --manifest {input.manifest:q} --output {output:q} --force) >{log:q} 2>&1"


rule replicate_tables:
    input:
        metrics=when_needed(REPLICATION.metrics),
    output:
        "results/replicate/tables/tables.json",
    log:
        "logs/replicate/tables.log",
    conda:
        "../../envs/torch.yaml"
    params:
        study=str(PLAN.study_file),
        content=without_traceback(sha256_of)(PLAN.study_file),
        packs=str(REPLICATION.made_elsewhere),
        prefix=PREFIX,
        folder=subpath(output[0], parent=True),
    shell:
        "python -m trailers tables --study {params.study:q} --metrics {input.metrics:q} --prefix {params.prefix}"
        " --packs {params.packs:q} --output {params.folder:q} >{log:q} 2>&1"


rule replicate:
    input:
        REPLICATION.report(),
    localrule: True
