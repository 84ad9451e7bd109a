-- Windowed counts: the bids of each bidder in every 10 seconds.
-- The suite's windows are of processing time; here they are of event time.
SELECT bidder, count(*) AS bids, window_start, window_end FROM bid GROUP BY bidder, TUMBLE(date_time, INTERVAL '10' SECOND)
EMIT ON WINDOW CLOSE
