# What came of a study: counts, failures, shots and clips, metrics (Sec. 3, 7).
#
# in   all ledgers and metrics of the study
# out  results/report/index.html; the demo's is results/report/demo/index.html


rule report:
    input:
        ledgers=STUDIES["study"].all_ledgers,
        metrics=STUDIES["study"].metrics,
    output:
        STUDIES["study"].report(),
    log:
        "logs/report/study.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        manifest=STUDIES["study"].manifest,
        ledgers=STUDIES["study"].ledger_flags,
        settings=STUDIES["study"].settings,
        more="",
    shell:
        "python -m trailers report --manifest {params.manifest:q} {params.ledgers} --metrics {input.metrics}"
        " --settings {params.settings:q} {params.more} --output {output} >{log} 2>&1"


use rule report as report_demo with:
    input:
        ledgers=STUDIES["demo"].all_ledgers,
        metrics=STUDIES["demo"].metrics,
    output:
        STUDIES["demo"].report(),
    log:
        "logs/report/demo.log",
    params:
        manifest=STUDIES["demo"].manifest,
        ledgers=STUDIES["demo"].ledger_flags,
        settings=STUDIES["demo"].settings,
        more="",


use rule report as report_tables with:
    input:
        ledgers=STUDIES["tables"].all_ledgers,
        metrics=STUDIES["tables"].metrics,
        tables="results/tables/tables.json",
        figures="results/figures/figures.json",
    output:
        STUDIES["tables"].report(),
    log:
        "logs/report/tables.log",
    params:
        manifest=STUDIES["tables"].manifest,
        ledgers=STUDIES["tables"].ledger_flags,
        settings=STUDIES["tables"].settings,
        more="--tables results/tables/tables.html --figures results/figures",


onsuccess:
    for study in STUDIES.values():
        report = Path(study.report())
        if report.exists() and report.stat().st_mtime >= STARTED:
            print(f"Look at {report}", file=sys.stderr)
