-- Windowed counts: the bids of each bidder in every 10 seconds. (The benchmark counts by processing time; here it is event time.)
--
--   laminar run examples/nexmark/q12.sql                       1,000,000 events
--   laminar run examples/nexmark/q12.sql --var EVENTS=10000000
--
-- 46 of 50 events are bids. The rows go nowhere but are computed in full; the closing line says how fast.

CREATE SOURCE bid (auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP,
                   WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
  FROM NEXMARK (events = ${EVENTS:-1000000}, rate = 10000);

CREATE SINK q12 AS
  SELECT bidder, window_start, window_end, count(*) AS bids
  FROM bid GROUP BY bidder, TUMBLE(date_time, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE
  INTO BLACKHOLE ();
