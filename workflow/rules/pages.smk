# Make a page per trailer with its shots, cuts, clips and pictures (Sec. 5, 7.1), and a list of all trailers.
#
# in   results/normalise/{trailer}.mp4, .frames.h5, results/shots/{trailer}.csv, .scores.h5
#      results/clips/{clips}/{trailer}.csv of every clip strategy of the study
#      for the list, also all ledgers, embeddings and experiments, unless pages.with_experiments is false
# out  results/pages/{trailer}.html, .jpg, .clips.jpg, .thumb.jpg
#      results/pages/index.html, index.js, data/{trailer}.js; the demo's list is results/pages/demo/index.html


rule make_pages:
    input:
        upstream=LAYOUT.ledger("shots", "{shard}"),
        clips=for_shard(page_clips),
        shard=LAYOUT.shard("{shard}"),
    output:
        LAYOUT.ledger("pages", "{shard}"),
    log:
        "logs/pages/{shard}.log",
    conda:
        "../../envs/media.yaml"
    resources:
        how=effort("pages"),
        mem_mb=doubled_per_retry(1500),
        runtime=doubled_per_retry(120),
    params:
        flags=shaping_flags(config, "pages"),
        shown=lambda wildcards: page_flags(config, PLAN.of_shard(wildcards.shard)),
        attempts=attempts("pages"),
    shell:
        "python -m trailers pages --shard {input.shard:q} --upstream {input.upstream:q} --ledger {output:q}"
        " {params.shown} {params.flags} {resources.how} >{log:q} 2>&1"


rule make_pages_one:
    input:
        LAYOUT.video("{trailer}"),
        LAYOUT.shots("{trailer}"),
        lambda wildcards: [
            LAYOUT.clips(clips, wildcards.trailer)
            for clips in without_traceback(PLAN.with_trailer)(
                wildcards.trailer
            ).all_strategies
        ],
    output:
        LAYOUT.page("{trailer}"),
    log:
        "logs/pages/{trailer}.log",
    wildcard_constraints:
        trailer=r"(?!index\b)[A-Za-z0-9_][A-Za-z0-9_-]{0,63}",
    conda:
        "../../envs/media.yaml"
    resources:
        how=effort("pages"),
    params:
        flags=shaping_flags(config, "pages"),
        shown=lambda wildcards: page_flags(
            config, without_traceback(PLAN.with_trailer)(wildcards.trailer)
        ),
    shell:
        "python -m trailers pages --trailer {wildcards.trailer:q} {params.shown} {params.flags} {resources.how} >{log:q} 2>&1"


rule browse:
    input:
        ledgers=when_needed(STUDY.browse_ledgers, EXPERIMENTS_SHOWN),
        metrics=when_needed(STUDY.metrics if EXPERIMENTS_SHOWN else list),
    output:
        html=LAYOUT.page_index(),
        list=LAYOUT.page_index().with_suffix(".js"),
    log:
        "logs/browse/study.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=doubled_per_retry(4000),
        runtime=doubled_per_retry(240),
    params:
        manifest=str(STUDY.manifest),
        rows=when_needed(reruns.manifest_rows, STUDY),
        optional=when_needed(reruns.optional_ledgers, STUDY),
        ledgers=when_needed(STUDY.browse_flags, EXPERIMENTS_SHOWN),
        report=["--report", str(STUDY.report())],
    shell:
        "python -m trailers browse --manifest {params.manifest:q} {params.ledgers} --metrics {input.metrics:q}"
        " {params.report:q} --output {output.html:q} >{log:q} 2>&1"


use rule browse as browse_demo with:
    input:
        ledgers=when_needed(DEMO.browse_ledgers, EXPERIMENTS_SHOWN),
        metrics=when_needed(DEMO.metrics if EXPERIMENTS_SHOWN else list),
    output:
        html=LAYOUT.page_index("demo"),
        list=LAYOUT.page_index("demo").with_suffix(".js"),
    log:
        "logs/browse/demo.log",
    params:
        manifest=str(DEMO.manifest),
        rows=when_needed(reruns.manifest_rows, DEMO),
        optional=when_needed(reruns.optional_ledgers, DEMO),
        ledgers=when_needed(DEMO.browse_flags, EXPERIMENTS_SHOWN),
        report=["--report", str(DEMO.report()), "--report-follows"],


rule pages:
    input:
        target(STUDY, STUDY.page_index),
    localrule: True
