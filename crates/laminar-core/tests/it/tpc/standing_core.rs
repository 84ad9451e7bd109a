//! A core whose graph stands still where a test wants it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use arrow_schema::DataType;
use laminar_core::dag::{DagBuilder, Node, SourceSpec};
use laminar_core::expr::ExprRef;
use laminar_core::tpc::{BackpressureConfig, CoreConfig, CoreHandle, CoreOutput, Event, OverflowStrategy};
use laminar_core::{ChangeBatch, NodeId, Result};

use crate::graphs::exprs::expr;
use crate::graphs::graph::pairs;

/// What a graph waits at until a test opens it.
#[derive(Default)]
pub(super) struct Door {
    open: AtomicBool,
    broken: AtomicBool,
    reached: AtomicUsize,
}

impl Door {
    pub(super) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    /// Whoever goes through panics.
    pub(super) fn break_down(&self) {
        self.broken.store(true, Ordering::SeqCst);
        self.open();
    }

    pub(super) fn wait_until_reached(&self) {
        while self.reached.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
    }

    fn go_through(&self) {
        self.reached.fetch_add(1, Ordering::SeqCst);
        while !self.open.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_micros(100));
        }
        assert!(!self.broken.load(Ordering::SeqCst), "the door is broken");
    }
}

/// `#0`, behind the door.
fn behind(door: &Arc<Door>) -> ExprRef {
    let door = Arc::clone(door);
    expr("behind the door", DataType::Int64, move |rows| {
        door.go_through();
        Ok(rows.column(0).clone())
    })
}

/// A source `s`, its first column behind the door, an output.
pub(super) fn nodes(door: &Arc<Door>) -> Result<Vec<Node>> {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let projected = dag.project("p", source, vec![("x", behind(door))]);
    dag.output("o", projected);
    dag.finish()
}

/// A core that runs [`nodes`].
pub(super) struct Bed {
    pub(super) core: CoreHandle,
    pub(super) source: NodeId,
    pub(super) door: Arc<Door>,
}

impl Bed {
    pub(super) fn new(config: CoreConfig) -> Self {
        let door = Arc::new(Door::default());
        let mut core = CoreHandle::spawn(CoreConfig { checked: true, ..config }).unwrap();
        let at_door = Arc::clone(&door);
        core.attach(move || nodes(&at_door)).unwrap();
        let source = core.source("s").unwrap();
        Self { core, source, door }
    }

    /// A core that has just begun with the row 1 and stands at the door.
    pub(super) fn at_the_door(config: CoreConfig) -> Self {
        let mut bed = Self::new(config);
        bed.submit(1).unwrap();
        bed.door.wait_until_reached();
        bed
    }

    pub(super) fn submit(&mut self, x: i64) -> Result<()> {
        self.core.submit(Event::new(self.source, row(x)))
    }

    /// Opens the door and returns all that came out.
    pub(super) fn finish(self) -> Vec<i64> {
        self.door.open();
        let mut seen = Vec::new();
        self.core.shutdown(|output| seen.extend(values(output))).unwrap();
        seen
    }
}

/// So many credits in each lane.
pub(super) fn credits(exclusive: usize, strategy: OverflowStrategy) -> BackpressureConfig {
    let config = BackpressureConfig::builder().exclusive_credits(exclusive).floating_credits(0);
    config.overflow_strategy(strategy).build().unwrap()
}

pub(super) fn row(x: i64) -> ChangeBatch {
    rows(x..x + 1)
}

pub(super) fn rows(numbers: std::ops::Range<i64>) -> ChangeBatch {
    let text: Vec<String> = numbers.map(|x| format!("+1 | {x} | {x}")).collect();
    ChangeBatch::parse(&pairs(), &text.join(" ; ")).unwrap()
}

/// The first column of what came out.
pub(super) fn values(output: &CoreOutput) -> Vec<i64> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    output.changes().map_or(vec![], |changes| changes.column(0).as_primitive::<Int64Type>().values().to_vec())
}
