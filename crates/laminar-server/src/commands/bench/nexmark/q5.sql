-- Hot items: of every 10 seconds, every 2 seconds, the auctions with the most bids.
SELECT counted.auction, counted.bids
FROM (
  SELECT auction, window_start, window_end, count(*) AS bids
  FROM bid GROUP BY auction, HOP(date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND)
) AS counted
JOIN (
  SELECT max(bids) AS most, window_start, window_end
  FROM (
    SELECT auction, window_start, window_end, count(*) AS bids
    FROM bid GROUP BY auction, HOP(date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND)
  ) AS each
  GROUP BY window_start, window_end
) AS busiest
ON counted.window_start = busiest.window_start AND counted.window_end = busiest.window_end AND counted.bids >= busiest.most
