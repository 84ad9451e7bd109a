//! GROUPING SETS, ROLLUP and CUBE: the same rows aggregated once for each set, with NULL for the keys that a set leaves out.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet, lit};
use laminar_core::dag::{ComputeSpec, NodeKind};
use laminar_core::expr::{Column, ExprRef};
use laminar_core::{Code, Error, Result};

use super::{Lowered, Lowering, edge_schema};
use crate::expr::scalar;
use crate::plan::errors::from_datafusion;

/// As in PostgreSQL.
const SETS_MAX: usize = 4096;

/// Keys of one set, by their numbers.
type Set = Vec<usize>;

impl Lowering {
    /// `below` are the rows of the aggregate's input.
    pub(super) fn grouping_sets(&mut self, below: &Lowered, aggregate: &Aggregate, sets: &GroupingSet) -> Result<Lowered> {
        let keys = sets.distinct_expr();
        let sets = sets_of(sets, &keys)?;
        let schema = edge_schema(&aggregate.schema);
        let mut parts = Vec::with_capacity(sets.len());
        for (at, set) in sets.iter().enumerate() {
            let repeats = sets[..at].iter().filter(|other| left_out(other, keys.len()) == left_out(set, keys.len())).count();
            let number = (repeats as u64) << keys.len() | left_out(set, keys.len());
            parts.push(self.one_set(below, aggregate, &keys, set, number)?);
        }
        Ok(self.united(parts, &schema))
    }

    /// The groups of one set with all columns of the aggregate; `number` is what GROUPING looks at.
    fn one_set(&mut self, below: &Lowered, aggregate: &Aggregate, keys: &[&Expr], set: &[usize], number: u64) -> Result<Lowered> {
        let schema = edge_schema(&aggregate.schema);
        let own: Vec<&Expr> = set.iter().map(|key| keys[*key]).collect();
        let calls = &schema.fields()[keys.len() + 1..];
        let mut fields: Vec<Arc<Field>> =
            set.iter().map(|key| schema.fields()[*key].clone()).chain(calls.iter().cloned()).collect();
        // A group needs a column.
        let groups = if fields.is_empty() {
            fields.push(Arc::new(Field::new("rows", DataType::Int64, false)));
            self.groups(below, aggregate, &own, &[count(lit(1_i64))], Arc::new(Schema::new(fields)))?
        } else {
            self.groups(below, aggregate, &own, &aggregate.aggr_expr, Arc::new(Schema::new(fields)))?
        };
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (key, field) in schema.fields()[..keys.len()].iter().enumerate() {
            columns.push(match set.iter().position(|own| *own == key) {
                Some(place) => Column::new(&groups.edge.schema, place),
                None => constant(ScalarValue::try_from(field.data_type()).map_err(from_datafusion)?)?,
            });
        }
        columns.push(constant(number_as(number, &schema, keys.len())?)?);
        columns.extend((0..calls.len()).map(|call| Column::new(&groups.edge.schema, set.len() + call)));
        Ok(self.add(NodeKind::Compute(ComputeSpec { filter: None, projection: Some(columns) }), &[&groups], schema))
    }
}

fn constant(value: ScalarValue) -> Result<ExprRef> {
    scalar(&Expr::Literal(value, None), &DFSchema::empty())
}

/// The number in the type of its column, which stands behind the keys.
fn number_as(number: u64, schema: &SchemaRef, column: usize) -> Result<ScalarValue> {
    ScalarValue::UInt64(Some(number)).cast_to(schema.field(column).data_type()).map_err(from_datafusion)
}

/// A bit for each key that the set leaves out; the last key has the lowest one.
fn left_out(set: &[usize], keys: usize) -> u64 {
    (0..keys).filter(|key| !set.contains(key)).map(|key| 1 << (keys - 1 - key)).sum()
}

fn sets_of(sets: &GroupingSet, keys: &[&Expr]) -> Result<Vec<Set>> {
    let width = keys.len();
    let count = match sets {
        GroupingSet::Rollup(_) => width + 1,
        GroupingSet::Cube(_) => 1_usize.checked_shl(width as u32).unwrap_or(usize::MAX),
        GroupingSet::GroupingSets(sets) => sets.len(),
    };
    if count > SETS_MAX || width > 32 {
        let text = format!("{count} grouping sets over {width} keys are more than a continuous query can have");
        return Err(Error::new(Code::NotSupported, text).with_hint(format!("write at most {SETS_MAX} sets over at most 32 keys")));
    }
    let number = |key: &Expr| keys.iter().position(|own| *own == key);
    Ok(match sets {
        GroupingSet::Rollup(_) => (0..=width).rev().map(|first| (0..first).collect()).collect(),
        GroupingSet::Cube(_) => (0..count).map(|bits| (0..width).filter(|key| bits >> key & 1 == 0).collect()).collect(),
        GroupingSet::GroupingSets(sets) => sets.iter().map(|set| once(set.iter().filter_map(number).collect())).collect(),
    })
}

/// Each key once.
fn once(mut set: Set) -> Set {
    set.sort_unstable();
    set.dedup();
    set
}
