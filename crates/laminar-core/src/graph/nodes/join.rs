//! Pairs of rows with equal keys.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::expr::ExprRef;
use crate::graph::distribute::{Placement, StatePlace, gathered};
use crate::graph::edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
use crate::graph::exchange::Exchange;
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_condition, expect_input, expect_types, types};
use crate::{Code, Error, Result};

/// Inner equi-join. Output columns: left, then right. NULL keys match nothing.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// Key expressions over the left input; none: every pair is looked at.
    pub left_keys: Vec<ExprRef>,
    /// Key expressions over the right input, of the same types.
    pub right_keys: Vec<ExprRef>,
    /// A condition over left and right columns together that a pair must also meet.
    pub residual: Option<ExprRef>,
}

impl NodeSpec for JoinSpec {
    fn name(&self) -> &'static str {
        "join"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let append = inputs.iter().all(|input| input.changes.is_append());
        let changes = if append { ChangeKind::Append } else { ChangeKind::Retract };
        EdgeProperties {
            partitioning: self.partitioning(0..self.left_keys.len()),
            time_columns: times(inputs[0], inputs[1]),
            ..EdgeProperties::out_of(inputs, schema, changes)
        }
    }

    /// Both sides are spread by the same keys in the same order, so that rows that match are on one worker.
    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        let (left, right) = (&inputs[0], &inputs[1]);
        if self.left_keys.is_empty() {
            return Placement::new(vec![gathered(left), gathered(right)], Partitioning::Single);
        }
        let order = self.order(left, right);
        let moved = |side: &EdgeProperties, keys: &[ExprRef]| {
            let found = keys_of(side, keys);
            (found.as_ref() != Some(&order)).then(|| Exchange::Hash(order.iter().map(|key| keys[*key].clone()).collect()))
        };
        let exchanges = vec![moved(left, &self.left_keys), moved(right, &self.right_keys)];
        let partitioning = self.partitioning(order.iter().copied());
        // What a join puts out need not have the keys by which its rows are spread.
        Placement { exchanges, partitioning, state: StatePlace::ByKeys(order) }
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        let (left, right) = (&inputs[0].schema, &inputs[1].schema);
        if self.left_keys.len() != self.right_keys.len() {
            return Err(Error::internal("a join has as many left keys as right keys"));
        }
        for (ours, theirs) in self.left_keys.iter().zip(&self.right_keys) {
            expect_input(ours, left)?;
            expect_input(theirs, right)?;
            if ours.data_type() != theirs.data_type() {
                let text = format!("cannot join {} with {}", ours.data_type(), theirs.data_type());
                return Err(Error::new(Code::TypeMismatch, text).with_hint("cast one key to the type of the other"));
            }
        }
        self.residual.iter().try_for_each(expect_condition)?;
        expect_types(schema, types(left).chain(types(right)))
    }

    fn explain(&self, _: &Node, _: &[&SchemaRef]) -> String {
        let pairs = self.left_keys.iter().zip(&self.right_keys);
        let on: Vec<String> = pairs.map(|(left, right)| format!("{} = {}", left.display(), right.display())).collect();
        let on = if on.is_empty() { "every pair".to_owned() } else { format!("on {}", on.join(" and ")) };
        let residual = self.residual.as_ref().map(|residual| format!(" where {}", residual.display()));
        format!("Join {on}{}", residual.unwrap_or_default())
    }

    /// Rows that meet are as old as they are.
    fn follows_watermark(&self) -> bool {
        false
    }
}

impl JoinSpec {
    /// The keys by which rows are spread. A side that is spread by some of them stays where it is, and the other one comes to it.
    fn order(&self, left: &EdgeProperties, right: &EdgeProperties) -> Vec<usize> {
        let kept = keys_of(left, &self.left_keys).or_else(|| keys_of(right, &self.right_keys));
        kept.unwrap_or_else(|| (0..self.left_keys.len()).collect())
    }

    /// Pairs are where their keys are, if the left keys are columns.
    fn partitioning(&self, order: impl Iterator<Item = usize>) -> Partitioning {
        if self.left_keys.is_empty() {
            return Partitioning::Single;
        }
        let columns: Option<Vec<usize>> = order.map(|key| self.left_keys[key].as_column()).collect();
        columns.map_or(Partitioning::Any, Partitioning::Hash)
    }
}

/// Time survives a join with tables and stored views only: rows of two streams can meet at any later time, so their times follow no
/// watermark.
fn times(left: &EdgeProperties, right: &EdgeProperties) -> Vec<TimeColumn> {
    let width = left.schema.fields().len();
    let moved = |time: &TimeColumn| TimeColumn { column: time.column + width, ..*time };
    match (left.is_stream, right.is_stream) {
        (true, true) => Vec::new(),
        (_, false) => left.time_columns.clone(),
        (false, true) => right.time_columns.iter().map(moved).collect(),
    }
}

/// Which of `keys` spread the input, in the order of its partitioning; `None` if it is spread otherwise.
fn keys_of(input: &EdgeProperties, keys: &[ExprRef]) -> Option<Vec<usize>> {
    let Partitioning::Hash(columns) = &input.partitioning else { return None };
    columns.iter().map(|column| keys.iter().position(|key| key.as_column() == Some(*column))).collect()
}
