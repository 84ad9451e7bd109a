-- Sessions: the bids of each bidder until 10 seconds of silence.
SELECT bidder, count(*) AS bids, window_start, window_end FROM bid GROUP BY bidder, SESSION(date_time, INTERVAL '10' SECOND)
EMIT ON WINDOW CLOSE
