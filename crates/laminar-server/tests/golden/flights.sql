-- Every kind of window over all flights, with a watermark behind the worst delay, so that no row is late.
CREATE SOURCE flights (WATERMARK FOR dep AS dep - INTERVAL '2' DAY)
  FROM FILE (path = '${FLIGHTS_DATA}/flights.parquet');

CREATE STREAM tumbled AS
  SELECT window_start, window_end, origin, count(*) AS departures, sum(dep_delay) AS delay, avg(dep_delay) AS avg_delay,
         min(dep_delay) AS min_delay, max(dep_delay) AS max_delay, count(DISTINCT carrier) AS carriers
  FROM flights GROUP BY TUMBLE(dep, INTERVAL '1' HOUR), origin EMIT ON WINDOW CLOSE;

CREATE STREAM hopped AS
  SELECT window_start, window_end, carrier, count(*) AS departures, max(dep_delay) AS worst_delay
  FROM flights GROUP BY HOP(dep, INTERVAL '1' HOUR, INTERVAL '3' HOUR), carrier EMIT ON WINDOW CLOSE;

CREATE STREAM sessions AS
  SELECT tailnum, window_start, window_end, count(*) AS delayed, sum(dep_delay) AS minutes
  FROM flights WHERE dep_delay > 15 AND tailnum IS NOT NULL
  GROUP BY SESSION(dep, INTERVAL '8' HOUR), tailnum EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW running AS
  SELECT carrier, count(*) AS flights, count(dep_delay) AS departed, sum(distance) AS miles, avg(arr_delay) AS arr_delay,
         min(air_time) AS shortest, max(air_time) AS longest
  FROM flights GROUP BY carrier;

CREATE SINK tumbled_file FROM tumbled INTO FILE (path = '${OUT}/tumbled.csv') FORMAT CSV;
CREATE SINK hopped_file FROM hopped INTO FILE (path = '${OUT}/hopped.csv') FORMAT CSV;
CREATE SINK sessions_file FROM sessions INTO FILE (path = '${OUT}/sessions.csv') FORMAT CSV;

SELECT * FROM running ORDER BY carrier;
SELECT count(*) AS without_departure FROM flights$late;
