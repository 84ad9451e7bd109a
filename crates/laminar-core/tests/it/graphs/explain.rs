//! Printed graphs.

use expect_test::{Expect, expect};
use laminar_core::NodeId;
use laminar_core::dag::{
    AssignSpec, DagBuilder, EmitWhen, JoinSpec, SessionSpec, SourceSpec, WindowEmission, WindowSpec, explain,
};
use laminar_core::expr::Column;
use laminar_core::operator::aggregate::{AggregateCall, native};
use laminar_core::time::watermark::{Partitions, WatermarkPer};
use laminar_core::time::windows::{MonthOffset, WindowKind, WindowShape, WindowUnit};

use super::exprs::{greater, plus};
use super::graph::{SECOND, pairs, timed, watermarked};

fn check(dag: DagBuilder, expected: Expect) {
    expected.assert_eq(&explain(&dag.finish().unwrap()));
}

fn sum(column: usize) -> AggregateCall {
    let arg = Column::new(&pairs(), column);
    let function = native("sum", &[arg.data_type().clone()], &[], false).unwrap().unwrap();
    AggregateCall { function, args: vec![arg], filter: Some(greater(0, 1)), name: "total".to_owned() }
}

#[test]
fn a_node_with_several_readers_is_printed_once() {
    let mut dag = DagBuilder::new();
    let source = dag.source("trades", timed(), SourceSpec { idle_timeout: Some(30 * SECOND), ..watermarked(5 * SECOND) });
    let filter = dag.filter("f", source, greater(0, 7));
    let (table, rows) = dag.table("names", pairs(), Some(vec![0]));
    assert_eq!(table, NodeId(2));
    let keys = || vec![Column::new(&pairs(), 0)];
    let join = dag.join("j", filter, rows, JoinSpec { residual: Some(greater(0, 3)), ..JoinSpec::inner(keys(), keys()) });
    let emit = dag.emit("e", join, EmitWhen::Every(90 * SECOND));
    dag.view("named", emit);
    let last = dag.project("p", filter, vec![("ts", Column::new(&timed(), 1)), ("twice", plus(0, 0))]);
    dag.output("twice", last);
    check(
        dag,
        expect![[r#"
            n6 Output named stored [retract; by (a); time ts]
              n5 Emit every 1m30s [retract; by (a); time ts]
                n4 Join on a = a where #0 > 3 [retract; by (a); time ts]
                  n1 Compute where #0 > 7 [append; time ts]
                    n0 Source trades watermark ts - 5s idle after 30s [append; time ts]
                  n3 Output names stored key (a) [upsert (a)]
                    n2 Source names table [retract]
            n8 Output twice [append; time ts]
              n7 Compute (ts, #0 + #0 as twice) [append; time ts]
                n1 (above)
        "#]],
    );
}

#[test]
fn a_source_says_what_has_a_watermark_of_its_own() {
    let per = |per| {
        let mut spec = watermarked(SECOND);
        spec.watermark.as_mut().unwrap().per = per;
        let mut dag = DagBuilder::new();
        dag.source("s", timed(), spec);
        explain(&dag.finish().unwrap())
    };
    for (of, text) in [
        (WatermarkPer::Source, "watermark ts - 1s ["),
        (WatermarkPer::Key { columns: vec![0, 1], keys_max: 2 }, "watermark ts - 1s per a, ts ["),
        (WatermarkPer::Partition(Partitions::Together(2)), "watermark ts - 1s per partition ["),
        (WatermarkPer::Partition(Partitions::InTurn(3)), "watermark ts - 1s of the last of 3 partitions ["),
    ] {
        let explained = per(of);
        assert!(explained.contains(text), "{explained}");
    }
}

#[test]
fn groups_and_windows_show_what_they_compute() {
    let nanos = |kind| WindowShape { kind, unit: WindowUnit::Nanos { offset: 0, zone: None } };
    let key = || Column::new(&timed(), 0);
    let mut dag = DagBuilder::new();
    let source = dag.source("s", timed(), watermarked(SECOND));
    let groups = dag.aggregate("g", source, vec![("a", key())], vec![sum(0)]);
    dag.output("groups", groups);
    let whole = dag.aggregate("g", source, vec![], vec![sum(0)]);
    dag.view("whole", whole);
    let hop = dag.window(
        "w",
        source,
        &["a"],
        WindowSpec {
            shape: nanos(WindowKind::Hopping { size: 60 * SECOND, slide: 20 * SECOND }),
            time: 1,
            time_lag: 0,
            keys: vec![key()],
            aggregates: vec![sum(0)],
            emission: WindowEmission::OnWatermark,
            lateness: 10 * SECOND,
        },
    );
    dag.output("hop", hop);
    let session = dag.session(
        "x",
        source,
        &[],
        SessionSpec {
            gap: 30 * SECOND,
            time: 1,
            time_lag: 0,
            keys: vec![],
            partition: 0,
            aggregates: vec![sum(0)],
            emission: WindowEmission::OnClose,
            lateness: 0,
        },
    );
    dag.emit("e", session, EmitWhen::AtEnd);
    let zone = Some(chrono_tz::Europe::Berlin);
    let months = WindowShape {
        kind: WindowKind::Cumulating { step: 1, size: 12 },
        unit: WindowUnit::Months { offset: MonthOffset::NONE, zone },
    };
    dag.assign_window("a", source, AssignSpec { shape: months, time: 1 });
    check(
        dag,
        expect![[r#"
            n2 Output groups [upsert (a); by (a)]
              n1 Aggregate by (a) compute (sum(a) where #0 > 1 as total) [upsert (a); by (a)]
                n0 Source s watermark ts - 1s [append; time ts]
            n4 Output whole stored [upsert (); single]
              n3 Aggregate by () compute (sum(a) where #0 > 1 as total) [upsert (); single]
                n0 (above)
            n6 Output hop [upsert (window_start, window_end, a); by (a); time window_start - 1m10s, window_end - 10s]
              n5 Window hop 20s / 1m over ts by (a) compute (sum(a) where #0 > 1 as total) emit on watermark lateness 10s [upsert (window_start, window_end, a); by (a); time window_start - 1m10s, window_end - 10s]
                n0 (above)
            n8 Emit at the end [append; single; time window_end]
              n7 Session gap 30s over ts by () compute (sum(a) where #0 > 1 as total) emit on close [append; single; time window_end]
                n0 (above)
            n9 AssignWindow cumulate 1mon / 1y in Europe/Berlin over ts [append; time ts, window_start - 372d2h, window_end]
              n0 (above)
        "#]],
    );
}

#[test]
fn nodes_of_the_running_graph_are_named_by_number() {
    let mut base = DagBuilder::new();
    let source = base.source("s", pairs(), SourceSpec::TIMELESS);
    let mut dag = DagBuilder::new();
    dag.existing(source, base.properties(source).clone());
    let filter = dag.filter("f", source, greater(0, 7));
    dag.output("o", filter);
    check(
        dag,
        expect![[r#"
            n2 Output o [append]
              n1 Compute where #0 > 7 [append]
                n0 (existing)
        "#]],
    );
}
