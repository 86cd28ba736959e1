# Train and test genre classifiers on the embeddings (Sec. 5, 6).
#
# in   results/embed/{clips}/{backbone}/{trailer}.h5, the manifest's genres and splits
# out  results/pack/{study}/{clips}/{backbone}.h5, results/classify/{experiment}/split{split}/

CLASSIFY_EFFORT = flags(classify.Effort, config["classify"])


def experiment_of(wildcards):
    """An experiment's own settings over those of config.yaml, classify."""
    return {**config["classify"], **EXPERIMENTS[wildcards.experiment].experiments[wildcards.experiment]}


def packs_of(wildcards):
    study, row = EXPERIMENTS[wildcards.experiment].name, experiment_of(wildcards)
    return [LAYOUT.pack(study, row["clips"], backbone) for backbone in row["backbones"]]


def labels(wildcards):
    """Changes when genres or splits do, and only then."""
    return digest([[t.trailer, t.genres, t.splits] for t in EXPERIMENTS[wildcards.experiment].trailers])


rule pack:
    input:
        ledgers=lambda wildcards: STUDIES[wildcards.study].ledgers("embed", wildcards.clips, wildcards.backbone),
    output:
        LAYOUT.pack("{study}", "{clips}", "{backbone}"),
    log:
        "logs/pack/{study}/{clips}/{backbone}.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=grown(2000),
        runtime=grown(120),
    params:
        backbone=lambda wildcards: FULL_NAME.get(wildcards.backbone, wildcards.backbone),
    shell:
        "python -m trailers pack --clips {wildcards.clips} --backbone {params.backbone:q} --ledgers {input.ledgers}"
        " --output {output} >{log} 2>&1"


rule classify:
    input:
        packs=packs_of,
    output:
        LAYOUT.experiment("{experiment}", "{split}") / "metrics.json",
    log:
        "logs/classify/{experiment}/split{split}.log",
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        gpu=1,
        mem_mb=grown(4000),
        runtime=grown(240),
    params:
        flags=lambda wildcards: flags(classify.Settings, experiment_of(wildcards)),
        manifest=lambda wildcards: EXPERIMENTS[wildcards.experiment].manifest,
        labels=labels,
        folder=subpath(output[0], parent=True),
    shell:
        "{LEASE} python -m trailers classify --manifest {params.manifest:q} --packs {input.packs}"
        " --experiment {wildcards.experiment} --split {wildcards.split} --output {params.folder}"
        " {params.flags} {CLASSIFY_EFFORT} >{log} 2>&1"
