"""Runs one query over the rows of Parquet files in DuckDB, once for each line on standard input.

Arguments: a folder with a file for each table, the number of threads, statements that come before the query, the query. Prints
`ready VERSION` when the rows are in memory, then for each run: seconds of wall clock, seconds of CPU, rows, and what the columns add
up to: whole numbers, bytes of texts, microseconds of times.
"""

import pathlib
import sys
import time

import duckdb
import pyarrow
import pyarrow.compute

folder, threads, setup, query = sys.argv[1:5]
connection = duckdb.connect(config={"threads": int(threads)})
# It would be written among the answers.
connection.execute("SET enable_progress_bar = false")
# PostgreSQL's patterns, as far as the queries have them.
connection.execute(
    "CREATE MACRO to_char(moment, pattern) AS CASE pattern WHEN 'HH24:MI' THEN strftime(moment, '%H:%M') ELSE strftime(moment, '%Y-%m-%d') END"
)
for file in pathlib.Path(folder).glob("*.parquet"):
    # DuckDB's own time type: its functions would convert nanoseconds row by row. Cut off, not rounded, which would let a bid count that came
    # when its auction had expired.
    times = ", ".join(
        f'make_timestamp(epoch_ns("{name}") // 1000) AS "{name}"' if kind.startswith("TIMESTAMP") else f'"{name}"'
        for name, kind, *_ in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
    )
    connection.execute(f"CREATE TABLE {file.stem} AS SELECT {times} FROM read_parquet(?)", [str(file)])
connection.execute(setup)
print("ready", duckdb.__version__, flush=True)


def total(column):
    """What a column adds up to, as a whole number of 64 bits that wraps around; None for one of another type."""
    kind = column.type
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        column = pyarrow.compute.binary_length(column)
    elif pyarrow.types.is_timestamp(kind):
        column = column.cast(pyarrow.timestamp("us")).cast(pyarrow.int64())
    elif not pyarrow.types.is_int64(kind):
        return None
    return pyarrow.compute.sum(column.cast(pyarrow.int64())).as_py() or 0


for _ in sys.stdin:
    began, cpu = time.perf_counter(), time.process_time()
    answer = connection.sql(query).to_arrow_table()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    sums = [sum for column in answer.columns if (sum := total(column)) is not None]
    print(wall, cpu, answer.num_rows, *sums, flush=True)
