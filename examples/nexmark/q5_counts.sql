-- The counting half of "hot items": the bids on each auction in the last 10 seconds, every 2 seconds.
--
--   laminar run examples/nexmark/q5_counts.sql                       1,000,000 events
--   laminar run examples/nexmark/q5_counts.sql --var EVENTS=10000000
--
-- 46 of 50 events are bids. The rows go nowhere but are computed in full; the closing line says how fast.

CREATE SOURCE bid (auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP,
                   WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
  FROM NEXMARK (events = ${EVENTS:-1000000}, rate = 10000);

CREATE SINK q5_counts AS
  SELECT auction, window_start, window_end, count(*) AS bids
  FROM bid GROUP BY auction, HOP(date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE
  INTO BLACKHOLE ();
