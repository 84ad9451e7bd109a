SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
FROM bid AS b
JOIN (
  SELECT max(price) AS most, time_bucket(INTERVAL '10 seconds', date_time) + INTERVAL '10 seconds' AS window_end
  FROM bid GROUP BY window_end
) AS highest
ON b.price = highest.most AND b.date_time BETWEEN highest.window_end - INTERVAL '10 seconds' AND highest.window_end
