# Train and test genre classifiers on the embeddings (Sec. 5, 6).
#
# in   results/embed/{clips}/{backbone}/{trailer}.h5, the manifest's genres and splits
# out  results/pack/{study}/{clips}/{backbone}.h5, results/classify/{experiment}/split{split}/


rule pack:
    input:
        ledgers=lambda wildcards: without_traceback(
            PLAN.of_packs(wildcards.study).ledgers
        )("embed", wildcards.clips, wildcards.backbone),
    output:
        LAYOUT.pack("{study}", "{clips}", "{backbone}"),
    log:
        "logs/pack/{study}/{clips}/{backbone}.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=doubled_per_retry(2000),
        runtime=doubled_per_retry(120),
    params:
        backbone=full_name,
        manifest=lambda wildcards: str(PLAN.of_packs(wildcards.study).manifest),
        ledgers=lambda wildcards: PLAN.of_packs(wildcards.study).ledger_flags_of(
            [("embed", wildcards.clips, wildcards.backbone)]
        ),
    shell:
        "python -m trailers pack --clips {wildcards.clips:q} --backbone {params.backbone:q}"
        " --manifest {params.manifest:q} {params.ledgers} --output {output:q} >{log:q} 2>&1"


rule classify:
    input:
        packs=for_experiment(PLAN.packs_of),
        excluded=for_experiment(PLAN.excluded_of),
    output:
        LAYOUT.experiment("{experiment}", "{split}") / "metrics.json",
    log:
        "logs/classify/{experiment}/split{split}.log",
    conda:
        "../../envs/torch.yaml"
    # Two trainings at once with one thread each get more done than one with two: use more only for idle cores.
    threads: training_threads
    resources:
        gpu=gpus(config, "classify"),
        how=training_effort,
        mem_mb=doubled_per_retry(4000),
        runtime=doubled_per_retry(240),
    params:
        flags=training_flags,
        manifest=lambda wildcards: str(
            PLAN.by_experiment[wildcards.experiment].manifest
        ),
        labels=lambda wildcards: without_traceback(reruns.labels)(
            PLAN, wildcards.experiment
        ),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m trailers lease --gpus {resources.gpu} -- python -m trailers classify --manifest {params.manifest:q} --packs {input.packs:q}"
        " --experiment {wildcards.experiment:q} --split {wildcards.split:q} --output {params.folder:q}"
        " --threads {threads} {params.flags} {resources.how} >{log:q} 2>&1"
