"""LaminarDB: streaming SQL in your program. Push rows, and the answers stay current.

>>> import laminardb
>>> db = laminardb.connect()
>>> db.execute("CREATE TABLE orders (customer VARCHAR, amount BIGINT)")
>>> db.execute("CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(amount) AS total FROM orders GROUP BY customer")
>>> db.execute("INSERT INTO orders VALUES ('ada', 10), ('ada', 7)")
>>> db.query("SELECT * FROM totals").fetchall()
[('ada', 17)]
"""

from ._native import Database, LaminarError, LaminarWarning, Result, Subscription, __version__, connect

__all__ = ["Database", "LaminarError", "LaminarWarning", "Result", "Subscription", "__version__", "connect"]
