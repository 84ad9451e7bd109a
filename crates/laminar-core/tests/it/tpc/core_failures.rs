//! A core that fails: everybody is told why, nobody waits for it, others go on.

use std::sync::Arc;
use std::thread;

use laminar_core::dag::{DagBuilder, Node, SourceSpec};
use laminar_core::tpc::{CoreConfig, CoreHandle, Event, KeySpec, OverflowStrategy, ThreadPerCoreRuntime, TpcConfig};
use laminar_core::{Code, Error, Result};

use super::standing_core::{Bed, credits, row, rows, values};
use crate::graphs::exprs::panics_at;
use crate::graphs::graph::pairs;

/// Panics when it sees 13.
fn superstitious() -> Result<Vec<Node>> {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    let projected = dag.project("p", source, vec![("x", panics_at(0, 13))]);
    dag.output("o", projected);
    dag.finish()
}

const SAW_13: &str = "core 0: reads from 'p', which failed: panicked: saw 13";

/// Polls until the failure is told; returns what came before.
fn poll_to_the_failure(core: &mut CoreHandle) -> (Vec<i64>, Error) {
    let mut seen = Vec::new();
    loop {
        match core.poll() {
            Ok(outputs) => seen.extend(outputs.iter().flat_map(values)),
            Err(error) => return (seen, error),
        }
        thread::yield_now();
    }
}

#[test]
fn who_submits_and_who_polls_is_told_why_a_core_failed_and_gets_what_came_before() {
    let mut core = CoreHandle::spawn(CoreConfig::new(0)).unwrap();
    core.attach(superstitious).unwrap();
    let source = core.source("s").unwrap();
    for x in [1, 2] {
        core.submit(Event::new(source, row(x))).unwrap();
    }
    while core.metrics().rows_done < 2 {
        thread::yield_now();
    }
    core.submit(Event::new(source, rows(13..20))).unwrap();
    let (mut seen, error) = poll_to_the_failure(&mut core);
    assert_eq!((error.code(), error.message()), (Code::Internal, SAW_13));
    while let Ok(outputs) = core.poll() {
        seen.extend(outputs.iter().flat_map(values));
    }
    assert_eq!(seen, [1, 2]);
    assert_eq!(core.submit(Event::new(source, row(3))).unwrap_err().message(), SAW_13);
    assert_eq!(core.end(source).unwrap_err().message(), SAW_13);
    assert_eq!(core.with_reactor(|_| ()).unwrap_err().message(), SAW_13);
    assert_eq!(core.failure().map(|error| error.message().to_owned()).as_deref(), Some(SAW_13));
    assert_eq!(core.metrics().rows_lost, 7, "the batch in which it failed");
    assert_eq!(core.shutdown(|_| {}).unwrap_err().message(), SAW_13);
}

#[test]
fn a_panic_outside_of_the_graph_is_told_in_the_same_way() {
    let mut core = CoreHandle::spawn(CoreConfig::new(4)).unwrap();
    core.attach(superstitious).unwrap();
    let error = core.with_reactor(|_| -> usize { panic!("by hand") }).unwrap_err();
    assert_eq!(error.message(), "core 4: panicked: by hand");
    assert_eq!(poll_to_the_failure(&mut core).1, error);
    let error = core.attach(superstitious).unwrap_err();
    assert_eq!(error.message(), "core 4: panicked: by hand");
}

#[test]
fn a_graph_that_cannot_be_built_is_an_error_and_no_failure() {
    let mut core = CoreHandle::spawn(CoreConfig::new(1)).unwrap();
    let error = core.attach(|| Err(Error::new(Code::InvalidQuery, "no graph today"))).unwrap_err();
    assert_eq!(error.to_string(), "LDB-1011: core 1: no graph today");
    core.attach(superstitious).unwrap();
    core.submit(Event::new(core.source("s").unwrap(), row(1))).unwrap();
    core.shutdown(|_| {}).unwrap();
}

#[test]
fn who_waits_for_credits_is_released_when_the_core_fails() {
    let config = CoreConfig { backpressure: credits(2, OverflowStrategy::Block), ..CoreConfig::new(0) };
    let mut bed = Bed::at_the_door(config);
    bed.submit(2).unwrap();
    let door = Arc::clone(&bed.door);
    let breaker = thread::Builder::new().spawn(move || {
        thread::sleep(std::time::Duration::from_millis(5));
        door.break_down();
    });
    let error = loop {
        if let Err(error) = bed.submit(3) {
            break error;
        }
    };
    breaker.unwrap().join().unwrap();
    assert!(error.message().ends_with("panicked: the door is broken"), "{error}");
}

#[test]
fn other_cores_go_on_when_one_fails() {
    let owner = owner_of_13();
    let config = TpcConfig::builder().num_cores(3).key(KeySpec::ColumnIndices(vec![0])).build().unwrap();
    let mut runtime = ThreadPerCoreRuntime::with_factory(config, |_| superstitious()).unwrap();
    let source = runtime.source("s").unwrap();
    runtime.submit(Event::new(source, row(13))).unwrap();
    let told = loop {
        if let Err(error) = runtime.poll() {
            break error;
        }
        thread::yield_now();
    };
    assert_eq!(told.message(), format!("core {owner}: reads from 'p', which failed: panicked: saw 13"));
    let mut taken = 0;
    for x in 100..200 {
        taken += usize::from(runtime.submit(Event::new(source, row(x))).is_ok());
    }
    assert!((1..100).contains(&taken), "{taken} of 100 rows belong to cores that go on");
    let mut seen = Vec::new();
    assert_eq!(runtime.shutdown(|output| seen.extend(values(output).iter().map(|_| output.core))).unwrap_err(), told);
    assert_eq!(seen.len(), taken);
    assert!(!seen.contains(&owner));
}

/// The core, of three, to which the key 13 belongs.
fn owner_of_13() -> usize {
    let spec = KeySpec::ColumnIndices(vec![0]);
    let mut router = laminar_core::tpc::KeyRouter::new(&spec, &pairs(), 3).unwrap();
    router.route(row(13)).unwrap()[0].0
}
