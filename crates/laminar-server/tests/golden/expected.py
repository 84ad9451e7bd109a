"""Computes what golden/flights.sql must give, twice: with DuckDB and with pandas, and compares the two.

    python3 -m pip install duckdb pandas pyarrow
    python3 crates/laminar-server/tests/golden/expected.py            writes the digests into expected.txt
    python3 crates/laminar-server/tests/golden/expected.py DIRECTORY  compares the files that a run left in DIRECTORY, value by value
"""

import hashlib
import pathlib
import sys

import duckdb
import pandas as pd

HERE = pathlib.Path(__file__).parent
FLIGHTS = str(HERE.parents[3] / "examples/flights/data/flights.parquet")

QUERIES = {
    "tumbled": """
        SELECT time_bucket(INTERVAL '1 hour', dep) AS window_start, time_bucket(INTERVAL '1 hour', dep) + INTERVAL '1 hour' AS window_end,
               origin, count(*) AS departures, sum(dep_delay)::BIGINT AS delay, avg(dep_delay) AS avg_delay, min(dep_delay) AS min_delay,
               max(dep_delay) AS max_delay, count(DISTINCT carrier) AS carriers
        FROM f WHERE dep IS NOT NULL GROUP BY ALL""",
    "hopped": """
        SELECT w AS window_start, w + INTERVAL '3 hours' AS window_end, carrier, count(*) AS departures, max(dep_delay) AS worst_delay
        FROM f, (VALUES (0), (1), (2)) AS v(k), LATERAL (SELECT time_bucket(INTERVAL '1 hour', dep) - k * INTERVAL '1 hour' AS w)
        WHERE dep IS NOT NULL GROUP BY ALL""",
    "sessions": """
        WITH marked AS (
            SELECT tailnum, dep, dep_delay, coalesce(dep - lag(dep) OVER p > INTERVAL '8 hours', true)::INT AS new
            FROM f WHERE dep_delay > 15 AND tailnum IS NOT NULL AND dep IS NOT NULL WINDOW p AS (PARTITION BY tailnum ORDER BY dep)),
        numbered AS (SELECT *, sum(new) OVER (PARTITION BY tailnum ORDER BY dep) AS island FROM marked)
        SELECT tailnum, min(dep) AS window_start, max(dep) + INTERVAL '8 hours' AS window_end, count(*) AS delayed,
               sum(dep_delay)::BIGINT AS minutes
        FROM numbered GROUP BY tailnum, island""",
    "running": """
        SELECT carrier, count(*) AS flights, count(dep_delay) AS departed, sum(distance)::BIGINT AS miles, avg(arr_delay) AS arr_delay,
               min(air_time) AS shortest, max(air_time) AS longest
        FROM f GROUP BY ALL""",
}


def by_duckdb():
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW f AS SELECT * FROM '{FLIGHTS}'")
    return {name: connection.execute(query).df() for name, query in QUERIES.items()}


def by_pandas():
    flights = pd.read_parquet(FLIGHTS)
    departed = flights[flights.dep.notna()]
    hour = pd.Timedelta(hours=1)
    named = dict(
        departures=("dep", "size"), delay=("dep_delay", "sum"), avg_delay=("dep_delay", "mean"), min_delay=("dep_delay", "min"),
        max_delay=("dep_delay", "max"), carriers=("carrier", "nunique"))
    tumbled = departed.assign(window_start=departed.dep.dt.floor("h")).groupby(["window_start", "origin"]).agg(**named).reset_index()
    tumbled.insert(1, "window_end", tumbled.window_start + hour)
    copies = pd.concat([departed.assign(window_start=departed.dep.dt.floor("h") - k * hour) for k in range(3)])
    hopped = copies.groupby(["window_start", "carrier"]).agg(departures=("dep", "size"), worst_delay=("dep_delay", "max")).reset_index()
    hopped.insert(1, "window_end", hopped.window_start + 3 * hour)
    delayed = departed[(departed.dep_delay > 15) & departed.tailnum.notna()].sort_values(["tailnum", "dep"])
    island = (delayed.groupby("tailnum").dep.diff() > 8 * hour).groupby(delayed.tailnum).cumsum().rename("island")
    sessions = delayed.groupby(["tailnum", island]).agg(
        window_start=("dep", "min"), window_end=("dep", "max"), delayed=("dep", "size"), minutes=("dep_delay", "sum")).reset_index()
    sessions = sessions.drop(columns="island")
    sessions["window_end"] += 8 * hour
    running = flights.groupby("carrier").agg(
        flights=("carrier", "size"), departed=("dep_delay", "count"), miles=("distance", "sum"), arr_delay=("arr_delay", "mean"),
        shortest=("air_time", "min"), longest=("air_time", "max")).reset_index()
    return {"tumbled": tumbled, "hopped": hopped, "sessions": sessions, "running": running}


def text(value):
    """One form for what the three systems print differently."""
    if pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value)


def lines(frame, columns):
    return sorted(",".join(text(value) for value in row) for row in frame[columns].itertuples(index=False, name=None))


def read(path):
    frame = pd.read_csv(path)
    for column in frame.columns:
        if column.startswith("window_"):
            frame[column] = pd.to_datetime(frame[column])
    return frame


def main():
    duck, pandas = by_duckdb(), by_pandas()
    digests = []
    for name, frame in duck.items():
        columns = list(frame.columns)
        expected = lines(frame, columns)
        assert expected == lines(pandas[name], columns), f"{name}: DuckDB and pandas disagree"
        digests.append(f"{name} {len(expected)} {hashlib.sha256(chr(10).join(expected).encode()).hexdigest()}")
        if len(sys.argv) > 1:
            ours = lines(read(pathlib.Path(sys.argv[1]) / f"{name}.csv"), columns)
            different = [pair for pair in zip(expected, ours) if pair[0] != pair[1]]
            assert not different and len(expected) == len(ours), f"{name}: {len(expected)} rows, ours {len(ours)}: {different[:3]}"
            print(f"{name}: {len(expected)} rows, the same")
    if len(sys.argv) == 1:
        (HERE / "expected.txt").write_text("\n".join(digests) + "\n")
    print("\n".join(digests))


main()
