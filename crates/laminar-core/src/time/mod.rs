//! When: event time, watermarks, windows, timers, and the only clock.

pub mod clock;
pub mod event_time;
pub mod watermark;
pub mod windows;

pub use clock::{Clock, ManualClock, SystemClock};
pub use event_time::{EventTime, Watermark};
