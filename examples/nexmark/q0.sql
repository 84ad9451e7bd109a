-- Pass-through: every bid as it is.
--
--   laminar run examples/nexmark/q0.sql                       1,000,000 events
--   laminar run examples/nexmark/q0.sql --var EVENTS=10000000
--
-- 46 of 50 events are bids. The rows go nowhere but are computed in full; the closing line says how fast.

CREATE SOURCE bid (auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP,
                   WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)
  FROM NEXMARK (events = ${EVENTS:-1000000}, rate = 10000);

CREATE SINK q0 AS
  SELECT auction, bidder, price, date_time FROM bid
  INTO BLACKHOLE ();
