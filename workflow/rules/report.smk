# Report the results of a study: counts, failures, shots and clips, metrics (Sec. 3, 7).
#
# in   all ledgers and metrics of the study; its pages and the files of the quality stage, if they exist
# out  results/report/index.html; the demo's is results/report/demo/index.html


rule report:
    input:
        ledgers=later(STUDY.all_ledgers),
        metrics=later(STUDY.metrics),
        pages=there(STUDY.page_ledgers, STUDY.page_index),
        quality=there(STUDY.quality_files),
        metadata=METADATA,
    output:
        report(STUDY.report(), category="Reports", labels={"report": "The run"}),
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
        more=set_flags(STUDY),
    shell:
        "python -m trailers report --manifest {params.manifest:q} {params.ledgers} --metrics {input.metrics:q}"
        " --settings {params.settings:q} {params.more} --output {output:q} >{log:q} 2>&1"


use rule report as report_demo with:
    input:
        ledgers=later(DEMO.all_ledgers),
        metrics=later(DEMO.metrics),
        pages=later(DEMO.page_index),
        quality=later(DEMO.quality_ledgers),
    output:
        report(DEMO.report(), category="Reports", labels={"report": "The demo"}),
    log:
        "logs/report/demo.log",
    params:
        manifest=str(DEMO.manifest),
        ledgers=later(DEMO.ledger_flags),
        settings=settings_of(DEMO),
        more=DEMO.genres_flag(),


use rule report as report_tables with:
    input:
        ledgers=later(TABLES.all_ledgers),
        metrics=later(TABLES.possible_metrics),
        pages=there(TABLES.page_ledgers, TABLES.page_index),
        quality=there(TABLES.quality_files),
        metadata=METADATA,
        tables="results/tables/tables.json",
        figures="results/figures/figures.json",
    output:
        report(
            TABLES.report(), category="Reports", labels={"report": "The paper's study"}
        ),
    log:
        "logs/report/tables.log",
    params:
        manifest=str(TABLES.manifest),
        ledgers=later(TABLES.ledger_flags),
        settings=settings_of(TABLES),
        more=f"--tables results/tables/tables.html --figures results/figures {set_flags(TABLES)}",


use rule report as report_replicate with:
    input:
        ledgers=[],
        metrics=later(PLAN.replication.metrics),
        tables="results/replicate/tables/tables.json",
    output:
        report(
            PLAN.replication.report(),
            category="Reports",
            labels={"report": "The published vectors"},
        ),
    log:
        "logs/report/replicate.log",
    params:
        manifest=str(PLAN.replication.manifest),
        ledgers="",
        settings="{}",
        more=f"--tables results/replicate/tables/tables.html {PLAN.replication.genres_flag()}".rstrip(),


onsuccess:
    for study in PLAN.studies:
        for made in map(Path, (study.report(), *study.page_index())):
            if made.exists() and made.stat().st_mtime >= STARTED:
                print(f"Look at {made}", file=sys.stderr)
