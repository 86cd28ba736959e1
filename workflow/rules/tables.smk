# The paper's study: Tables 2 to 6 with our numbers beside the printed ones, and Figures 2, 3, 4, 8, 9 and 10.
#
# in   workflow/study.yaml, metrics.json of its experiments
# out  results/tables/, results/figures/, results/report/tables/index.html


rule make_tables:
    input:
        metrics=when_needed(TABLES.possible_metrics),
    output:
        "results/tables/tables.json",
    log:
        "logs/tables.log",
    conda:
        "../../envs/torch.yaml"
    params:
        study=str(PLAN.study_file),
        content=without_traceback(sha256_of)(PLAN.study_file),
        packs=f"--packs {shlex.quote(config['packs'])}" if config["packs"] else "",
    shell:
        "python -m trailers tables --study {params.study:q} --metrics {input.metrics:q} {params.packs} --output results/tables"
        " >{log:q} 2>&1"


rule make_figures:
    input:
        ledgers=when_needed(TABLES.shot_ledgers),
        metadata=METADATA,
        tables="results/tables/tables.json",
    output:
        "results/figures/figures.json",
    log:
        "logs/figures.log",
    conda:
        "../../envs/torch.yaml"
    params:
        manifest=str(TABLES.manifest),
        ledgers=when_needed(TABLES.shot_flags),
        metadata=description_flags(TABLES),
    shell:
        "python -m trailers figures --manifest {params.manifest:q} {params.ledgers} {params.metadata}"
        " --tables {input.tables:q} --output results/figures >{log:q} 2>&1"


rule tables:
    input:
        target(TABLES, TABLES.report),
    localrule: True
