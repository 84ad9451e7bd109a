//! The queue, over loom.

#[path = "../../../crates/laminar-core/src/tpc/spsc/prefetch.rs"]
mod prefetch;
#[path = "../../../crates/laminar-core/src/tpc/spsc/ends.rs"]
mod ends;
#[path = "../../../crates/laminar-core/src/tpc/spsc/ring.rs"]
mod ring;

use super::{CachePadded, sync};

pub(super) use ends::{Consumer, Producer, SpscQueue};
