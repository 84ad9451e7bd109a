//! `VERIFY VIEW`: computes a materialized view anew from what is stored below it, and shows the rows that differ.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::changelog::consolidate_all;
use laminar_core::dag::{NodeKind, WindowEmission};
use laminar_core::{ChangeBatch, Code, Error, Result};
use laminar_sql::parse::{ParsedStatement, Statement, StreamQuery, VerifyView, parse_statement};

use super::select::{SnapshotReading, reads_stream};
use super::{StatementOutcome, text_rows};
use crate::block_on::{block_on, unless_interrupted};
use crate::catalog::{Definition, Object, kind_in_words, sides_in};
use crate::engine::Engine;
use crate::{Database, Rows};

pub(super) fn run(database: &Database, verify: &VerifyView) -> Result<StatementOutcome> {
    let (view, reading, stored) = {
        let engine = &mut database.lock();
        let view = Recomputed::of(engine, verify)?;
        let reading = SnapshotReading::begin(engine, &[&view.query])?;
        let stored = engine.reactor.graph().stored_rows(engine.output_of(view.object.id)?)?;
        (view, reading, stored)
    };
    let SnapshotReading { planner, tables, now, memory, interrupt } = &reading;
    let select = planner.select(&view.query, &view.object.sql, tables, *now, *memory);
    let fails = |error: Error| {
        let hint = format!("the view goes on without rows that fail: they stand in {}$errors", view.object.name);
        if error.hint().is_some() { error } else { error.with_hint(hint) }
    };
    let (_, batches) = block_on(unless_interrupted(select, interrupt)).map_err(fails)?;
    compared(&view.schema, &stored, batches)
}

/// A view whose rows can be computed from what is stored.
struct Recomputed {
    object: Object,
    query: StreamQuery,
    schema: SchemaRef,
}

impl Recomputed {
    fn of(engine: &Engine, verify: &VerifyView) -> Result<Self> {
        let object = engine.catalog.require(&verify.name)?.clone();
        let refuse = |text: String, hint: &str| Err(Error::new(Code::NotSupported, text).with_hint(hint).at(verify.name.span));
        let Definition::Query { properties, stored: true, .. } = &object.definition else {
            let text = format!(
                "'{}' is {}: only a materialized view has rows that were computed",
                object.name,
                kind_in_words(object.kind())
            );
            return refuse(text, "VERIFY VIEW a materialized view");
        };
        let ParsedStatement { statement: Statement::CreateMaterializedView(create), .. } = parse_statement(&object.sql)? else {
            return Err(Error::internal("a materialized view was made by another statement"));
        };
        let query = create.query.clone();
        if reads_stream(engine, &query) || !sides_in(&query, &engine.catalog).is_empty() {
            let inputs = engine.catalog.names_of(&object.depends_on).join(", ");
            let text = format!("'{}' reads from what keeps no rows ({inputs}), so it cannot be computed anew", object.name);
            return refuse(
                text,
                "views over tables and materialized views can be verified; EXPLAIN WHY and ANALYZE tell what this one did",
            );
        }
        let nodes = engine.instances.nodes(object.id);
        let kinds = engine.reactor.graph().nodes().filter(|node| nodes.contains(&node.id)).map(|node| &node.kind);
        if let Some(why) = kinds.filter_map(differs_from_query).next() {
            return refuse(
                format!("'{}' {why}, so it need not be equal to its query", object.name),
                "EXPLAIN WHY tells what it shows",
            );
        }
        if let (late @ 1.., _) = engine.side_outputs.counts(object.id) {
            let text = format!("{late} rows were late for '{}', which its query would count", object.name);
            return refuse(text, "they stand in its $late");
        }
        let schema = properties.schema.clone();
        Ok(Self { object, query, schema })
    }
}

/// What a node shows that depends on more than the rows which stand below.
fn differs_from_query(kind: &NodeKind) -> Option<&'static str> {
    let by_watermark = "shows windows when the watermark passes their ends";
    match kind {
        NodeKind::Window(spec) if spec.emission != WindowEmission::Changes => Some(by_watermark),
        NodeKind::Session(spec) if spec.emission != WindowEmission::Changes => Some(by_watermark),
        NodeKind::Emit(_) => Some("holds rows back by EMIT"),
        NodeKind::Changes(_) => Some("tells changes, of which only the last ones can be computed again"),
        NodeKind::Limit(_) => Some("has the rows that came first (LIMIT without ORDER BY)"),
        _ => None,
    }
}

/// What the view has and the query does not (weights above zero), and the other way round.
fn compared(schema: &SchemaRef, stored: &[ChangeBatch], computed: Vec<RecordBatch>) -> Result<StatementOutcome> {
    let rows: i64 = stored.iter().map(|changes| (0..changes.len()).map(|row| changes.weight(row)).sum::<i64>()).sum();
    let mut changes = stored.to_vec();
    for batch in computed {
        let batch = RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?;
        let weights = vec![-1; batch.num_rows()];
        changes.push(ChangeBatch::new(batch, weights));
    }
    let difference = consolidate_all(schema, &changes)?;
    if difference.is_empty() {
        let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        return text_rows(&["result"], vec![vec![format!("equal, {rows}")]]);
    }
    let weights: Vec<i64> = (0..difference.len()).map(|row| difference.weight(row)).collect();
    let side: StringArray =
        weights.iter().map(|weight| Some(if *weight > 0 { "in the view alone" } else { "in its query alone" })).collect();
    let copies: Int64Array = weights.iter().map(|weight| weight.abs()).collect();
    let fields = [Field::new("differs", DataType::Utf8, false), Field::new("copies", DataType::Int64, false)];
    let fields: Vec<Field> = fields.into_iter().chain(schema.fields().iter().map(|field| field.as_ref().clone())).collect();
    let columns = [Arc::new(side) as ArrayRef, Arc::new(copies)].into_iter().chain(difference.rows().columns().iter().cloned());
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.collect())?;
    Ok(StatementOutcome::Rows(Rows::from(batch)))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(stored: &str, computed: &str, expected: Expect) {
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("n", DataType::Int64, true)]));
        let parse = |text: &str| ChangeBatch::parse(&schema, text).unwrap();
        let outcome = compared(&schema, &[parse(stored)], vec![parse(computed).rows().clone()]).unwrap();
        let StatementOutcome::Rows(rows) = outcome else { panic!("no rows") };
        let lines: Vec<String> = rows.to_strings().into_iter().map(|row| row.join(" | ")).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn rows_of_one_side_are_shown_with_their_copies() {
        check("+1 | a | 1 ; +2 | b | NULL", "+1 | b | NULL ; +1 | a | 1 ; +1 | b | NULL", expect!["equal, 3 rows"]);
        check("", "", expect!["equal, 0 rows"]);
        check(
            "+1 | a | 1 ; +3 | b | NULL",
            "+1 | a | 2 ; +1 | b | NULL",
            expect![[r#"
            in the view alone | 1 | a | 1
            in the view alone | 2 | b | NULL
            in its query alone | 1 | a | 2"#]],
        );
    }
}
