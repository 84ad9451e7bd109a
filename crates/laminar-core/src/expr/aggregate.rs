//! Aggregate functions: what operators ask of them. Their state is columns indexed by group number.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::ExprRef;
pub use super::words::Words;
use crate::changelog::Weights;
use crate::{Error, Result};

/// A function such as `sum(BIGINT)`, bound to the types of its arguments.
pub trait AggregateFunction: Debug + Send + Sync {
    /// The name in `EXPLAIN GRAPH`.
    fn name(&self) -> &str;

    /// The type of the result.
    fn return_type(&self) -> &DataType;

    /// Whether this is `count`; without arguments it is the number of rows, which tables know.
    fn is_count(&self) -> bool {
        false
    }

    /// Whether the result of a group is computed from all of its rows anew when one comes.
    fn recomputes(&self) -> bool {
        false
    }

    /// Empty state. `retracts`: whether weights other than +1 can come; only then must removed values be remembered.
    fn accumulator(&self, retracts: bool) -> Result<Box<dyn GroupAccumulator>>;
}

/// The state of one aggregate call for many groups, numbered from 0.
pub trait GroupAccumulator: Send {
    /// Makes room for the groups `0..groups`; new ones are empty.
    fn resize(&mut self, groups: usize);

    /// Says that the state of `groups`, some hundred of them at most, is needed next: it may be asked for in memory.
    fn prefetch(&self, _groups: &[u32]) {}

    /// Adds row `i` of `args` to group `groups[i]` with its weight. Rows of other groups may be mixed in any order.
    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()>;

    /// Adds `other`'s group `from[i]` to this one's group `into[i]`. `other` is of the same concrete type.
    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()>;

    /// Whether the state of a group is a few numbers, however many rows it has.
    fn is_small(&self) -> bool {
        false
    }

    /// Whether [`take_out`](Self::take_out) works.
    fn can_take_out(&self) -> bool {
        false
    }

    /// Takes `other`'s group `from[i]`, merged before, out of this one's group `into[i]` again, leaving no trace.
    fn take_out(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let _ = (other, from, into);
        Err(Error::internal("an aggregate from which nothing can be taken out"))
    }

    /// The result of each of `groups`, in that order. What overflows is NULL and reported in `faults`.
    fn results(&mut self, groups: &[u32], faults: &mut Vec<Fault>) -> Result<ArrayRef>;

    /// Appends the same results as words, reports the same faults, and says of what type they are. `None`, and nothing is
    /// appended, if they are not of 64 bits; that is so always or never.
    fn word_results(&mut self, groups: &[u32], words: &mut Words, faults: &mut Vec<Fault>) -> Option<DataType> {
        let _ = (groups, words, faults);
        None
    }

    /// Makes `groups` empty again, exactly (no remainder of float sums), so that their numbers can be used anew.
    fn clear(&mut self, groups: &[u32]);

    /// The state of `groups` as columns, a row each. How many columns there are does not depend on the state.
    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>>;

    /// Replaces all state by that of an image of the groups from 0 on.
    fn restore(&mut self, image: &[ArrayRef]) -> Result<()>;

    /// Bytes held, roughly.
    fn bytes(&self) -> usize;

    /// For [`merge`](Self::merge).
    fn as_any(&self) -> &dyn Any;
}

/// A group whose result cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Position in the list of groups that was asked for.
    pub position: usize,
    /// Why, as a message for `<object>$errors`.
    pub reason: String,
}

/// One aggregate in a SELECT list: `sum(DISTINCT price) FILTER (WHERE price > 0)`.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// The function, already wrapped for DISTINCT and ORDER BY where they matter.
    pub function: Arc<dyn AggregateFunction>,
    /// Its arguments over the operator's input.
    pub args: Vec<ExprRef>,
    /// Rows for which this is not true do not count.
    pub filter: Option<ExprRef>,
    /// The name of the output column.
    pub name: String,
}
