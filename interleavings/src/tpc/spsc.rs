//! The queue, over loom.

#[path = "../../../crates/laminar-core/src/thread/spsc/prefetch.rs"]
mod prefetch;
#[path = "../../../crates/laminar-core/src/thread/spsc/ends.rs"]
mod ends;
#[path = "../../../crates/laminar-core/src/thread/spsc/ring.rs"]
mod ring;

use super::{CachePadded, sync};

pub(super) use ends::{Consumer, Producer, SpscQueue};
