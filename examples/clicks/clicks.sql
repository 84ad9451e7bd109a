-- Visits of pages by minute, as they are written by a web server. The test beside this file says what must come out: laminar test examples/clicks
CREATE SOURCE clicks (page VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
    FROM FILE (path = 'clicks.ndjson', follow = true);

CREATE MATERIALIZED VIEW visits AS
    SELECT page, window_start, count(*) AS n
    FROM clicks
    GROUP BY page, TUMBLE(ts, INTERVAL '1' MINUTE)
    EMIT ON WINDOW CLOSE;

CREATE SINK out FROM visits INTO FILE (path = 'visits.ndjson');
