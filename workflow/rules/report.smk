# Report the results of a study: counts, failures, shots and clips, metrics (Sec. 3, 7).
#
# in   all ledgers and metrics of the study; its pages and the files of the quality stage, if they exist
# out  results/report/index.html; the demo's is results/report/demo/index.html


rule report:
    input:
        ledgers=when_needed(STUDY.all_ledgers),
        metrics=when_needed(STUDY.metrics),
        pages=existing_files(STUDY.page_ledgers, STUDY.page_index),
        quality=existing_files(STUDY.quality_files),
        metadata=METADATA,
    output:
        report(STUDY.report(), category="Reports", labels={"report": "The run"}),
    log:
        "logs/report/study.log",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=doubled_per_retry(4000),
        runtime=doubled_per_retry(60),
    params:
        manifest=str(STUDY.manifest),
        ledgers=when_needed(STUDY.ledger_flags),
        settings=settings_of(STUDY),
        more=description_flags(STUDY),
    shell:
        "python -m trailers report --manifest {params.manifest:q} {params.ledgers} --metrics {input.metrics:q}"
        " --settings {params.settings:q} {params.more} --output {output:q} >{log:q} 2>&1"


use rule report as report_demo with:
    input:
        ledgers=when_needed(DEMO.all_ledgers),
        metrics=when_needed(DEMO.metrics),
        pages=when_needed(DEMO.page_index),
        quality=when_needed(DEMO.quality_ledgers),
    output:
        report(DEMO.report(), category="Reports", labels={"report": "The demo"}),
    log:
        "logs/report/demo.log",
    params:
        manifest=str(DEMO.manifest),
        ledgers=when_needed(DEMO.ledger_flags),
        settings=settings_of(DEMO),
        more=DEMO.genres_flag(),


use rule report as report_tables with:
    input:
        ledgers=when_needed(TABLES.all_ledgers),
        metrics=when_needed(TABLES.possible_metrics),
        pages=existing_files(TABLES.page_ledgers, TABLES.page_index),
        quality=existing_files(TABLES.quality_files),
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
        ledgers=when_needed(TABLES.ledger_flags),
        settings=settings_of(TABLES),
        more=f"--tables results/tables/tables.html --figures results/figures {description_flags(TABLES)}",


use rule report as report_replicate with:
    input:
        ledgers=[],
        metrics=when_needed(PLAN.replication.metrics),
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
        for page in map(Path, (study.report(), *study.page_index())):
            if page.exists() and page.stat().st_mtime >= STARTED:
                print(f"Look at {page}", file=sys.stderr)
