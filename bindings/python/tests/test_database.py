"""Statements, errors, the life of a database, and the examples of the documentation."""

import doctest
import re
import threading
import time
from pathlib import Path

import laminardb
import pytest

README = Path(__file__).parent.parent / "README.md"


def test_an_error_has_parts_and_shows_the_place(trades):
    with pytest.raises(laminardb.LaminarError) as raised:
        trades.query("SELECT 'ü', volum FROM totals")
    error = raised.value
    assert (error.code, error.position) == ("LDB-1003", 12)
    assert "volume" in error.hint and "volum" in error.message and error.detail is None
    lines = str(error).splitlines()
    assert lines[0] == f"error[LDB-1003]: {error.message}"
    text, caret = (next(i for i, line in enumerate(lines) if mark in line) for mark in ("SELECT", "^"))
    assert caret == text + 1 and lines[caret].index("^") == lines[text].index("volum")
    assert isinstance(error, Exception) and laminardb.LaminarError.__module__ == "laminardb"


def test_execute_answers_what_the_last_statement_answers(db):
    assert db.execute("") is None
    assert db.execute("CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1)") is None
    assert db.execute("SELECT 7; SELECT a FROM t").fetchall() == [(1,)]
    assert isinstance(db.execute("SUBSCRIBE t"), laminardb.Subscription)


def test_rows_are_changed_and_returning_answers_with_them(db):
    db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY, b BIGINT); INSERT INTO t VALUES (1, 1), (2, 2)")
    assert db.execute("UPDATE t SET b = b + 1; DELETE FROM t WHERE a = 2") is None
    assert db.execute("UPDATE t SET b = b * 10 RETURNING a, b").fetchall() == [(1, 20)]
    assert db.query("INSERT INTO t VALUES (1, 5) ON CONFLICT (a) DO UPDATE SET b = t.b + excluded.b RETURNING b").fetchone() == (25,)


def test_a_script_stops_at_its_first_failure_and_what_was_done_stays(db):
    script = "CREATE TABLE t (a BIGINT);\nINSERT INTO nowhere VALUES (1);\nCREATE TABLE u (a BIGINT)"
    with pytest.raises(laminardb.LaminarError) as raised:
        db.execute(script)
    assert raised.value.position == script.index("nowhere")
    assert db.query("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(laminardb.LaminarError):
        db.query("SELECT * FROM u")


def test_what_is_not_a_query_is_refused_by_query(trades):
    for sql in ("CREATE TABLE t (a BIGINT)", "SELECT * FROM trades"):
        with pytest.raises(laminardb.LaminarError) as raised:
            trades.query(sql)
        assert raised.value.code == "LDB-1011" and raised.value.hint


def test_a_directory_keeps_what_was_said(tmp_path):
    path, out = str(tmp_path / "app"), tmp_path / "out.csv"
    with laminardb.connect(path) as db:
        db.execute(f"CREATE TABLE t (a BIGINT); CREATE SINK k FROM t INTO FILE (path = '{out}', changelog = 'true')")
        db.push("t", [{"a": 1}, {"a": 2}])
        with pytest.raises(laminardb.LaminarError) as raised:
            laminardb.connect(path)
        assert raised.value.code == "LDB-2002"
    assert out.read_text().splitlines() == ["op,a", "+I,1", "+I,2"]
    with laminardb.connect(path) as db:
        assert db.query("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (2,)]
        db.execute("INSERT INTO t VALUES (3)")
    assert out.read_text().splitlines()[1:] == ["+I,1", "+I,2", "+I,3"]


def test_run_reads_bounded_sources_to_their_end(db):
    db.execute("CREATE SOURCE g (n BIGINT) FROM GENERATOR (rows = 1000, fields.n.kind = 'sequence');"
               "CREATE MATERIALIZED VIEW c AS SELECT count(*) AS n FROM g")
    assert db.run() is True
    assert db.query("SELECT n FROM c").fetchone() == (1000,)


def test_run_stops_with_its_timeout(db):
    db.execute("CREATE SOURCE endless (n BIGINT) FROM GENERATOR (rate = 10);"
               "CREATE MATERIALIZED VIEW c AS SELECT count(*) AS n FROM endless")
    began = time.monotonic()
    assert db.run(timeout=0.3) is False
    assert 0.25 < time.monotonic() - began < 20


def test_rows_that_cannot_be_used_are_readable(db, tmp_path):
    (tmp_path / "a.csv").write_text("n\n1\nx\n3\n")
    db.execute(f"CREATE SOURCE numbers (n BIGINT) FROM FILE (path = '{tmp_path / 'a.csv'}');"
               "CREATE MATERIALIZED VIEW total AS SELECT sum(n) AS n FROM numbers")
    db.run()
    assert db.query("SELECT n FROM total").fetchone() == (4,)
    assert len(db.query('SELECT * FROM "numbers$errors"')) == 1


def test_a_closed_database_says_so_and_its_sinks_are_complete(tmp_path):
    out = tmp_path / "out.csv"
    with laminardb.connect() as db:
        db.execute(f"CREATE SOURCE s (a BIGINT); CREATE SINK k AS SELECT a FROM s INTO FILE (path = '{out}', changelog = 'true') FORMAT CSV")
        db.push("s", {"a": [1, 2]})
    assert out.read_text().split() == ["op,a", "+I,1", "+I,2"]
    db.close()
    for call in (lambda: db.query("SELECT 1"), lambda: db.execute("SELECT 1"), lambda: db.run(),
                 lambda: db.push("s", {"a": [1]}), lambda: db.subscribe("s"), lambda: db.end_source("s")):
        with pytest.raises(laminardb.LaminarError) as raised:
            call()
        assert raised.value.code == "LDB-4002"


def test_threads_share_a_database(trades):
    def push():
        for _ in range(50):
            trades.push("trades", [{"symbol": "a", "volume": 1}])

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trades.query("SELECT volume FROM totals").fetchone() == (200,)


def test_the_example_of_the_readme_prints_what_it_says(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(example, str(README), "exec"), {})
    printed = capsys.readouterr().out
    assert "[('ACME', 2, 150), ('INIT', 1, 10)]\n" in printed
    assert "volume: [[160]]" in printed
    assert re.search(r"\+I +\| ACME +\| 2026-01-01 10:00:00 +\| +11", printed), printed


def test_the_example_of_the_package_holds():
    assert doctest.testmod(laminardb).attempted > 0
    assert doctest.testmod(laminardb).failed == 0


def test_the_stubs_describe_exactly_what_is_there():
    import ast

    stubs = ast.parse((Path(laminardb.__file__).parent / "__init__.pyi").read_text())
    classes = {node.name: node for node in stubs.body if isinstance(node, ast.ClassDef)}
    for name in ("Database", "Result", "Subscription"):
        described = {node.name for node in classes[name].body if isinstance(node, ast.FunctionDef)}
        there = {member for member in vars(getattr(laminardb, name)) if not member.startswith("_")}
        assert there == {member for member in described if not member.startswith("_")}, name
        missing = {member for member in described if not hasattr(getattr(laminardb, name), member)}
        assert not missing, name


def test_an_answer_that_lacks_rows_warns(db, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text("a,b\n0,0\n" + "".join(f"{row}\n" for row in range(12000)))
    db.execute(f"SET side_output_memory = '64 KiB'; CREATE SOURCE s FROM FILE (path = '{file}');"
               "CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s; CREATE TABLE t (raw VARCHAR)")
    db.run()
    told = r"of the 12000 rows of s\$errors the newest \d+ are kept"
    with pytest.warns(laminardb.LaminarWarning, match=told):
        rows = db.query("SELECT count(*) FROM s$errors")
    assert len(rows.notices) == 1 and re.match(told, rows.notices[0])
    with pytest.warns(laminardb.LaminarWarning, match=told):
        assert db.execute("INSERT INTO t SELECT raw FROM s$errors") is None
    assert db.query("SELECT n FROM n").notices == []
