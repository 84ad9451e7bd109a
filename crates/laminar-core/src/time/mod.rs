//! When: event time, watermarks, windows, timers, and the only clock.
//!
//! * [`clock`]: the wall clock, and one that tests move.
//! * [`event_time`]: nanoseconds, and columns of them.
//! * [`length`]: lengths of time as people write them.
//! * [`watermark`]: how sources promise that time has passed.
//! * [`windows`]: window shapes as data; [`panes`]: their arithmetic; `local`: windows by local clocks; `cuts`: where these cut time;
//!   `zone`: what they show.

pub mod clock;
mod cuts;
mod ends;
pub mod event_time;
pub mod length;
mod local;
pub mod panes;
pub mod timers;
pub mod watermark;
pub mod windows;
mod zone;

pub(crate) use clock::Stopwatch;
pub use clock::{Clock, ManualClock, SystemClock};
pub(crate) use ends::ends;
pub use event_time::{EventTime, Watermark};
pub use length::Length;
pub use panes::{Panes, Window};
