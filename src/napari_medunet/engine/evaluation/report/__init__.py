"""What is said of many cases: scores, means, comparisons, tables and the HTML report.

`evaluation` measures pairs of files; `summary` and `comparison` condense what was measured; `tables`,
`figures` and `html` show it.
"""

from napari_medunet.engine.evaluation.report.folds import fold_table
from napari_medunet.engine.evaluation.report.tables import (
    METRICS,
    CaseScores,
    Comparison,
    Evaluation,
    LabelScores,
    Summary,
    as_content,
    case_table,
    comparison_content,
    comparison_table,
    evaluate_case,
    evaluate_files,
    score_labels,
    summarise,
    summary_table,
    to_json,
    write_csv,
    write_csv_of,
)

__all__ = [
    "METRICS",
    "CaseScores",
    "Comparison",
    "Evaluation",
    "LabelScores",
    "Summary",
    "as_content",
    "case_table",
    "comparison_content",
    "comparison_table",
    "evaluate_case",
    "evaluate_files",
    "fold_table",
    "score_labels",
    "summarise",
    "summary_table",
    "to_json",
    "write_csv",
    "write_csv_of",
]
