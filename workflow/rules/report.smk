# What came of a study: counts, failures, shots and clips, metrics (Sec. 3, 7).
#
# in   all ledgers and metrics of the study
# out  results/report/index.html; the demo's is results/report/demo/index.html


rule report:
    input:
        ledgers=later(STUDY.all_ledgers),
        metrics=later(STUDY.metrics),
    output:
        STUDY.report(),
    log:
        "logs/report/study.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        manifest=str(STUDY.manifest),
        ledgers=later(STUDY.ledger_flags),
        settings=settings_of(STUDY),
        more="",
    shell:
        "python -m trailers report --manifest {params.manifest:q} {params.ledgers} --metrics {input.metrics:q}"
        " --settings {params.settings:q} {params.more} --output {output:q} >{log:q} 2>&1"


use rule report as report_demo with:
    input:
        ledgers=later(DEMO.all_ledgers),
        metrics=later(DEMO.metrics),
    output:
        DEMO.report(),
    log:
        "logs/report/demo.log",
    params:
        manifest=str(DEMO.manifest),
        ledgers=later(DEMO.ledger_flags),
        settings=settings_of(DEMO),
        more="",


use rule report as report_tables with:
    input:
        ledgers=later(TABLES.all_ledgers),
        metrics=later(TABLES.possible_metrics),
        tables="results/tables/tables.json",
        figures="results/figures/figures.json",
    output:
        TABLES.report(),
    log:
        "logs/report/tables.log",
    params:
        manifest=str(TABLES.manifest),
        ledgers=later(TABLES.ledger_flags),
        settings=settings_of(TABLES),
        more="--tables results/tables/tables.html --figures results/figures",


use rule report as report_replicate with:
    input:
        ledgers=[],
        metrics=later(PLAN.replication.metrics),
        tables="results/replicate/tables/tables.json",
    output:
        PLAN.replication.report(),
    log:
        "logs/report/replicate.log",
    params:
        manifest=str(PLAN.replication.manifest),
        ledgers="",
        settings="{}",
        more="--tables results/replicate/tables/tables.html",


onsuccess:
    for study in PLAN.studies:
        report = Path(study.report())
        if report.exists() and report.stat().st_mtime >= STARTED:
            print(f"Look at {report}", file=sys.stderr)
