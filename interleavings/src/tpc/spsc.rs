//! The queue, over loom.

#[path = "../../../crates/laminar-core/src/tpc/spsc/ahead.rs"]
mod ahead;
#[path = "../../../crates/laminar-core/src/tpc/spsc/ends.rs"]
mod ends;
#[path = "../../../crates/laminar-core/src/tpc/spsc/ring.rs"]
mod ring;

use super::{CachePadded, sync};

pub(super) use ends::{Consumer, Producer, SpscQueue};
