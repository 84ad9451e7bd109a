-- Top ten: the ten highest bids on each auction with their places.
-- The suite leaves the order of equal prices open; here the earlier bid comes first.
SELECT *
FROM (
  SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, date_time) AS place FROM bid
) AS ranked
WHERE place <= 10
