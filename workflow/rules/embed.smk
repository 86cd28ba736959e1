# Turn clips into vectors with 2D and 3D backbones (Sec. 5, 7.5).
#
# in   results/normalise/{trailer}.mp4, results/clips/{clips}/{trailer}.csv
# out  results/embed/{clips}/{backbone}/{trailer}.h5
#
# A job makes the vectors of one pair of clip strategy and backbone on one shard. It also makes those that the shard's
# other pairs lack, because all share one decoding of each trailer; the jobs of these pairs then find them finished.


rule embed:
    input:
        upstream=LAYOUT.ledger("clips", "{shard}", "{clips}"),
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("embed", "{shard}", "{clips}", "{backbone}"),
    log:
        "logs/embed/{clips}/{backbone}/{shard}.log",
    conda:
        "../../envs/torch.yaml"
    threads: gpu_threads
    resources:
        gpu=gpus(config, "embed"),
        how=lambda wildcards: f"--extra-pairs {extra_pairs(wildcards)} {effort('embed')}",
        mem_mb=doubled_per_retry(8000),
        runtime=doubled_per_retry(480),
    params:
        flags=shaping_flags(config, "embed"),
        backbone=full_name,
        attempts=attempts("embed", "clips", "backbone"),
        weights=for_backbone(reruns.weights),
    shell:
        "python -m trailers lease --gpus {resources.gpu} -- python -m trailers embed --shard {input.shard:q} --ledger {output:q}"
        " --clips {wildcards.clips:q} --backbones {params.backbone:q} {params.flags} {resources.how} >{log:q} 2>&1"


rule embed_one:
    input:
        LAYOUT.video("{trailer}"),
        LAYOUT.clips("{clips}", "{trailer}"),
    output:
        LAYOUT.embedding("{clips}", "{backbone}", "{trailer}"),
    log:
        "logs/embed/{clips}/{backbone}/{trailer}.log",
    conda:
        "../../envs/torch.yaml"
    threads: gpu_threads
    resources:
        gpu=gpus(config, "embed"),
        how=effort("embed"),
    params:
        flags=shaping_flags(config, "embed"),
        backbone=full_name,
        weights=for_backbone(reruns.weights),
    shell:
        "python -m trailers lease --gpus {resources.gpu} -- python -m trailers embed --trailer {wildcards.trailer:q} --clips {wildcards.clips:q}"
        " --backbones {params.backbone:q} {params.flags} {resources.how} >{log:q} 2>&1"


# Download all weights that the configuration needs. Run it where there is network access; compute nodes need none then.
rule weights:
    log:
        "logs/weights.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        backbones=shlex.join(dict.fromkeys(name for _, name in STUDY.pairs)),
        weights_dir=config["embed"]["weights_dir"],
    shell:
        "python -m trailers weights --backbones {params.backbones} --weights-dir {params.weights_dir:q} 2>&1 | tee {log:q}"
