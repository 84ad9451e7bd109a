//! Shows the memory nodes of this machine, and memory by placement.
//!
//! `cargo run --release -p laminar-core --example numa`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use laminar_core::Result;
use laminar_core::numa::{NumaAllocator, NumaPlacement, NumaTopology};
use laminar_core::tpc::affinity;

const MIB: usize = 1 << 20;

fn main() -> Result<()> {
    let topology = NumaTopology::detect();
    for node in topology.nodes() {
        let (mib, cpus, costs) = (node.memory_bytes / MIB as u64, &node.cpus, &node.distances);
        println!("node {}: cores {cpus:?}, {mib} MiB, distances {costs:?}", node.id);
    }
    println!("this thread may run on {:?}", affinity::allowed_cpus());
    for cpu in affinity::allowed_cpus().unwrap_or_default() {
        match affinity::pin_current_thread(cpu) {
            Ok(()) => println!("pinned to core {cpu}: on node {}", topology.current_node()),
            Err(error) => println!("{error}"),
        }
    }

    let allocator = NumaAllocator::new();
    let pieces = [
        ("state of one worker", allocator.alloc_local(64 * MIB, 2 * MIB)?),
        ("a table for all workers", allocator.alloc_interleaved(64 * MIB, 64)?),
        ("on the first node", allocator.alloc(MIB, 64, NumaPlacement::Node(topology.nodes()[0].id))?),
    ];
    for (what, mut memory) in pieces {
        memory.fill(1);
        println!("{what}: {} MiB at {:p}, placed {:?}", memory.len() / MIB, memory.as_ptr(), memory.placement());
    }
    Ok(())
}
