-- Side input: every bid with a value looked up by its auction.
-- The suite looks up in a file of 10,000 keys; here it is the table side_input. Over rows that do not move, leave FOR SYSTEM_TIME out.
SELECT b.auction, b.bidder, b.price, b.date_time, s.value
FROM bid AS b JOIN side_input FOR SYSTEM_TIME AS OF PROCTIME() AS s ON b.auction % 10000 = s.key
