"""Runs one query over the rows of a Parquet file in DuckDB, once for each line on standard input.

Arguments: the file, the table's name, the number of threads, the query. Prints `ready VERSION` when the rows are in memory, then
for each run: seconds of wall clock, seconds of CPU, rows, and the sum of every BIGINT column.
"""

import sys
import time

import duckdb
import pyarrow
import pyarrow.compute

path, table, threads, query = sys.argv[1:5]
connection = duckdb.connect(config={"threads": int(threads)})
# It would be written among the answers.
connection.execute("SET enable_progress_bar = false")
# DuckDB's own time type: its functions would convert nanoseconds row by row.
times = ", ".join(
    f'CAST("{name}" AS TIMESTAMP) AS "{name}"' if kind.startswith("TIMESTAMP") else f'"{name}"'
    for name, kind, *_ in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
)
connection.execute(f"CREATE TABLE {table} AS SELECT {times} FROM read_parquet(?)", [path])
print("ready", duckdb.__version__, flush=True)

for _ in sys.stdin:
    began, cpu = time.perf_counter(), time.process_time()
    answer = connection.sql(query).to_arrow_table()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    numbers = [column for column in answer.columns if pyarrow.types.is_int64(column.type)]
    sums = [pyarrow.compute.sum(column).as_py() or 0 for column in numbers]
    print(wall, cpu, answer.num_rows, *sums, flush=True)
