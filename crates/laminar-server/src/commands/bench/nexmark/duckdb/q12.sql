SELECT bidder, count(*) AS bids, time_bucket(INTERVAL '10 seconds', date_time) AS window_start,
       window_start + INTERVAL '10 seconds' AS window_end
FROM bid
GROUP BY bidder, window_start
