"""Questions about whole containers: lists of types, differences, offsets, tables.

Each works on all types at once and answers with values; the commands only print them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from btfschema._doors import door

if TYPE_CHECKING:
    from btfschema.questions.catalog import Catalog, catalog_of
    from btfschema.questions.columns import Column, Table
    from btfschema.questions.comparison import Diff, diff
    from btfschema.questions.listing import Conditions, list_types
    from btfschema.questions.offsets import Answer, Question, answer, parse_questions
    from btfschema.questions.rebuilding import from_tables
    from btfschema.questions.rows import to_rows
    from btfschema.questions.tables import arrow_tables, tables_of
    from btfschema.questions.writing import Dataset, SqliteFile, csv_bytes, parquet_bytes

__all__ = [
    "Answer",
    "Catalog",
    "Column",
    "Conditions",
    "Dataset",
    "Diff",
    "Question",
    "SqliteFile",
    "Table",
    "answer",
    "arrow_tables",
    "catalog_of",
    "csv_bytes",
    "diff",
    "from_tables",
    "list_types",
    "parquet_bytes",
    "parse_questions",
    "tables_of",
    "to_rows",
]

__getattr__, __dir__ = door(
    globals(),
    {
        "Catalog": "btfschema.questions.catalog",
        "Column": "btfschema.questions.columns",
        "Conditions": "btfschema.questions.listing",
        "list_types": "btfschema.questions.listing",
        "Dataset": "btfschema.questions.writing",
        "Diff": "btfschema.questions.comparison",
        "SqliteFile": "btfschema.questions.writing",
        "Table": "btfschema.questions.columns",
        "arrow_tables": "btfschema.questions.tables",
        "catalog_of": "btfschema.questions.catalog",
        "diff": "btfschema.questions.comparison",
        "csv_bytes": "btfschema.questions.writing",
        "Answer": "btfschema.questions.offsets",
        "Question": "btfschema.questions.offsets",
        "answer": "btfschema.questions.offsets",
        "parse_questions": "btfschema.questions.offsets",
        "from_tables": "btfschema.questions.rebuilding",
        "parquet_bytes": "btfschema.questions.writing",
        "tables_of": "btfschema.questions.tables",
        "to_rows": "btfschema.questions.rows",
    },
)
