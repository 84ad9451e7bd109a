-- Each bid is in the five windows of 10 seconds that began in the last 10 seconds.
WITH counted AS (
  SELECT auction, time_bucket(INTERVAL '2 seconds', date_time) - INTERVAL '2 seconds' * earlier AS window_start, count(*) AS bids
  FROM bid, generate_series(0, 4) AS windows(earlier)
  GROUP BY auction, window_start
)
SELECT auction, bids
FROM counted JOIN (SELECT max(bids) AS most, window_start FROM counted GROUP BY window_start) AS busiest USING (window_start)
WHERE bids >= most
