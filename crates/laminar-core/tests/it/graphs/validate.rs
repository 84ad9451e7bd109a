//! Mistakes in graphs, and what is said about them.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use expect_test::{Expect, expect};
use laminar_core::dag::{DagBuilder, EmitWhen, JoinSpec, JoinType, NodeKind, SourceSpec, WindowEmission, WindowSpec, derive};
use laminar_core::expr::Column;
use laminar_core::time::windows::{WindowKind, WindowShape, WindowUnit};

use super::exprs::{divide, expr, plus};
use super::graph::{SECOND, pairs, timed, watermarked};

/// What is said about the graph that `build` makes on top of a source of pairs.
fn check(build: impl FnOnce(&mut DagBuilder, laminar_core::NodeId), expected: Expect) {
    let mut dag = DagBuilder::new();
    let source = dag.source("s", pairs(), SourceSpec::TIMELESS);
    build(&mut dag, source);
    expected.assert_eq(&dag.finish().unwrap_err().to_string());
}

fn window(time: usize, time_lag: i64) -> WindowSpec {
    let shape =
        WindowShape { kind: WindowKind::Tumbling { size: 60 * SECOND }, unit: WindowUnit::Nanos { offset: 0, zone: None } };
    let (keys, aggregates, emission) = (vec![], vec![], WindowEmission::OnClose);
    WindowSpec { shape, time, time_lag, keys, aggregates, emission, lateness: 0 }
}

#[test]
fn a_filter_is_a_condition() {
    check(
        |dag, source| {
            dag.filter("f", source, plus(0, 1));
        },
        expect!["LDB-1007: 'f' (n1): condition #0 + #1 is Int64, not a boolean"],
    );
}

#[test]
fn inputs_of_a_union_have_the_same_types() {
    check(
        |dag, source| {
            let other = dag.source("t", timed(), SourceSpec::TIMELESS);
            dag.union("u", &[source, other]);
        },
        expect!["LDB-1007: 'u' (n2): columns (Int64, Timestamp(ns)) where (Int64, Int64) are expected"],
    );
    check(
        |dag, _| {
            dag.union("u", &[]);
        },
        expect!["LDB-9001: 'u' (n1): a node of this kind cannot have 0 inputs"],
    );
}

#[test]
fn windows_need_a_watermark() {
    check(
        |dag, _| {
            let timeless = dag.source("t", timed(), SourceSpec::TIMELESS);
            dag.window("w", timeless, &[], window(1, 0));
        },
        expect![[
            r#"LDB-1008: 'w' (n2): column ts has no watermark, so windows over it would never close; hint: declare one where the column comes from: WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"#
        ]],
    );
    check(
        |dag, _| {
            let source = dag.source("t", timed(), watermarked(0));
            dag.window("w", source, &[], window(0, 0));
        },
        expect!["LDB-1007: 'w' (n2): column a is Int64, not a time"],
    );
}

#[test]
fn keys_of_a_join_have_the_same_types() {
    let text = expr("'x'", DataType::Utf8, |_| unreachable!("never evaluated"));
    check(
        |dag, source| {
            let (left_keys, right_keys) = (vec![Column::new(&pairs(), 0)], vec![text]);
            dag.join("j", source, source, JoinSpec::inner(left_keys, right_keys));
        },
        expect!["LDB-1007: 'j' (n1): cannot join Int64 with Utf8; hint: cast one key to the type of the other"],
    );
    check(
        |dag, source| {
            let residual = Some(divide(0, 1));
            dag.join("j", source, source, JoinSpec { residual, ..JoinSpec::inner(vec![], vec![]) });
        },
        expect!["LDB-1007: 'j' (n1): condition #0 / #1 is Int64, not a boolean"],
    );
}

#[test]
fn columns_beside_a_row_without_a_match_can_be_null() {
    check(
        |dag, source| {
            let spec = JoinSpec { join_type: JoinType::Left, ..JoinSpec::inner(vec![], vec![]) };
            let fields = ["a", "b", "c", "d"].map(|name| Field::new(name, DataType::Int64, name != "d"));
            let output = derive(&NodeKind::Join(spec.clone()), &[], Arc::new(Schema::new(fields.to_vec())));
            dag.add("j", NodeKind::Join(spec), vec![source, source], output);
        },
        expect!["LDB-9001: 'j' (n1): a join can make d NULL, which its schema denies"],
    );
}

#[test]
fn intervals_are_greater_than_zero() {
    check(
        |dag, source| {
            dag.emit("e", source, EmitWhen::Every(0));
        },
        expect!["LDB-1008: 'e' (n1): the interval of EMIT EVERY must be greater than zero"],
    );
}

#[test]
fn key_columns_exist() {
    check(
        |dag, _| {
            dag.table("t", pairs(), Some(vec![2]));
        },
        expect!["LDB-9001: 't' (n2): there is no column 2 among 2"],
    );
}

#[test]
fn nothing_is_not_a_graph() {
    let error = DagBuilder::new().finish().unwrap_err();
    assert_eq!(error.message(), "a graph needs at least one node");
}
