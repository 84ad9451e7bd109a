//! What a windowed aggregate takes from a batch, and the tables that it goes into.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;

use crate::changelog::Weights;
use crate::expr::ExprRef;
use crate::operator::OperatorContext;
use crate::operator::aggregate::{AggregateCall, CallInputs, GroupTable, Grouped, Namespace, RowNamespaces};
use crate::{ChangeBatch, Result};

/// Group keys and aggregate calls.
#[derive(Clone)]
pub(in crate::operator) struct GroupInput {
    keys: Vec<ExprRef>,
    calls: Vec<AggregateCall>,
    retracts: bool,
}

/// Rows with their keys and arguments.
pub(in crate::operator) struct Evaluated {
    /// One column a key.
    pub(in crate::operator) keys: Vec<ArrayRef>,
    /// What each call takes.
    pub(in crate::operator) inputs: CallInputs,
    /// How often each row is inserted.
    pub(in crate::operator) weights: Weights,
}

impl GroupInput {
    /// `retracts`: whether weights other than +1 can come.
    pub(in crate::operator) fn new(keys: &[ExprRef], calls: &[AggregateCall], retracts: bool) -> Self {
        Self { keys: keys.to_vec(), calls: calls.to_vec(), retracts }
    }

    /// Whether weights other than +1 can come.
    pub(in crate::operator) fn retracts(&self) -> bool {
        self.retracts
    }

    /// The types of the keys.
    pub(in crate::operator) fn key_types(&self) -> Vec<DataType> {
        self.keys.iter().map(|key| key.data_type().clone()).collect()
    }

    /// An empty table of groups by key.
    pub(in crate::operator) fn table(&self) -> Result<GroupTable> {
        self.table_by(&self.key_types())
    }

    /// An empty table of groups by other keys.
    pub(in crate::operator) fn table_by(&self, key_types: &[DataType]) -> Result<GroupTable> {
        GroupTable::new(key_types, &self.calls, self.retracts)
    }

    /// Evaluates keys and arguments. Rows for which that fails are rejected; the changes that come back are without them.
    pub(in crate::operator) fn evaluate(
        &self,
        changes: ChangeBatch,
        cx: &mut OperatorContext<'_>,
    ) -> Result<(ChangeBatch, Evaluated)> {
        let Grouped { changes, keys, inputs } = Grouped::evaluate(&self.keys, &self.calls, changes, cx)?;
        let weights = changes.weights().clone();
        Ok((changes, Evaluated { keys, inputs, weights }))
    }
}

impl Evaluated {
    /// The rows at `rows`, in that order.
    pub(in crate::operator) fn take(&self, rows: &UInt32Array) -> Result<Self> {
        let keys = self.keys.iter().map(|key| take(key, rows, None)).collect::<Result<_, _>>()?;
        Ok(Self { keys, inputs: self.inputs.take(rows)?, weights: self.weights.take(rows) })
    }

    /// Adds all rows to `table`, to the groups of their keys.
    pub(in crate::operator) fn add_to(&self, table: &mut GroupTable) -> Result<()> {
        self.add_in(RowNamespaces::One(Namespace::FIRST), table)
    }

    /// The same, each row in its namespace.
    pub(in crate::operator) fn add_in(&self, namespaces: RowNamespaces<'_>, table: &mut GroupTable) -> Result<()> {
        let groups = table.assign_in(namespaces, &self.keys, self.inputs.rows())?;
        table.update(&self.inputs, &self.weights, &groups)
    }
}
