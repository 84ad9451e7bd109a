-- New users: who opens an auction within the 10 seconds in which they came.
SELECT p.id, p.name, p.window_start
FROM (
  SELECT id, name, window_start, window_end FROM person GROUP BY id, name, TUMBLE(date_time, INTERVAL '10' SECOND)
) AS p
JOIN (
  SELECT seller, window_start, window_end FROM auction GROUP BY seller, TUMBLE(date_time, INTERVAL '10' SECOND)
) AS a
ON p.id = a.seller AND p.window_start = a.window_start AND p.window_end = a.window_end
