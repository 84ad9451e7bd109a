SELECT * REPLACE (CAST(place AS UBIGINT) AS place)
FROM (
  SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, date_time) AS place FROM bid
) AS ranked
WHERE place <= 10
