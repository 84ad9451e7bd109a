//! One line on a terminal that says how a run is going.

use std::io::{IsTerminal, Write, stderr};

use laminar_db::Status;
use laminar_db::core::time::Watermark;

use super::summary::{bytes, count};

/// Between two pictures, in nanoseconds.
const EVERY: i64 = 200_000_000;

/// Draws itself over its last picture; does nothing if standard error is not a terminal.
pub(crate) struct LiveLine {
    shown: bool,
    on: bool,
    next_at: i64,
    last: Option<(i64, u64)>,
    began: i64,
}

impl LiveLine {
    /// A line for a run that begins at `now` (nanoseconds).
    pub(crate) fn new(now: i64) -> Self {
        Self { shown: false, on: stderr().is_terminal(), next_at: now + EVERY, last: None, began: now }
    }

    /// Whether it is time for a new picture.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        self.on && now >= self.next_at
    }

    /// Draws `status`.
    pub(crate) fn draw(&mut self, status: &Status, now: i64) {
        self.next_at = now + EVERY;
        let rows_in = status.rows_in();
        let (before, then) = self.last.map_or((0, self.began), |(at, rows)| (rows, at));
        let rate = rows_in.saturating_sub(before) as f64 / ((now - then).max(1) as f64 / 1e9);
        self.last = Some((now, rows_in));
        let mut parts = vec![
            format!("{:.1} s", (now - self.began) as f64 / 1e9),
            format!("in {} ({}/s)", count(rows_in), count(rate as u64)),
            format!("out {}", count(status.rows_out())),
        ];
        if let Some(watermark) = status.watermark() {
            parts.push(watermark_text(watermark, now));
        }
        parts.push(format!("late {}", count(status.late)));
        parts.push(format!("bad {}", count(status.errors)));
        parts.push(format!("state {}", bytes(status.state_bytes as u64)));
        let mut err = stderr().lock();
        // A status line that cannot be written is no reason to stop a run.
        let _ = write!(err, "\r\x1b[2K{}", parts.join(" | ")).and_then(|()| err.flush());
        self.shown = true;
    }

    /// Takes the line away, so that something else can be printed.
    pub(crate) fn clear(&mut self) {
        if self.shown {
            let mut err = stderr().lock();
            let _ = write!(err, "\r\x1b[2K").and_then(|()| err.flush());
            self.shown = false;
        }
    }
}

/// The watermark and, if the data is of today, how far it is behind the clock.
fn watermark_text(watermark: Watermark, now: i64) -> String {
    const DAY: i64 = 86_400_000_000_000;
    let lag = now.saturating_sub(watermark.0);
    if (0..DAY).contains(&lag) {
        format!("watermark {watermark} ({:.1} s behind)", lag as f64 / 1e9)
    } else {
        format!("watermark {watermark}")
    }
}
