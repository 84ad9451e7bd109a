-- Log to files: every bid with the day and the minute by which the suite's file sink partitions.
-- Only the query is here, without the sink.
SELECT auction, bidder, price, date_time, extra, to_char(date_time, 'YYYY-MM-DD') AS day, to_char(date_time, 'HH24:MI') AS minute
FROM bid
