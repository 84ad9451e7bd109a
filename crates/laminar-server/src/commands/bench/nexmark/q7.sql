-- Highest bid: the bids with the highest price of every 10 seconds.
SELECT b.auction, b.price, b.bidder, b.date_time, b.extra
FROM bid AS b
JOIN (
  SELECT max(price) AS most, window_end FROM bid GROUP BY TUMBLE(date_time, INTERVAL '10' SECOND)
) AS highest
ON b.price = highest.most AND b.date_time BETWEEN highest.window_end - INTERVAL '10' SECOND AND highest.window_end
