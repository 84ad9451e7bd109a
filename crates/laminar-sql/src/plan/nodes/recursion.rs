//! A recursive query whose rows know their round, and the rows of the rounds as its term reads them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

/// The column that holds a row's round.
pub(crate) const ROUND: &str = "__round";

/// `base UNION [ALL] term`: the rows of all rounds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Recursion {
    /// Tells the recursions of a plan apart.
    pub(crate) number: usize,
    /// The rows of round 0.
    pub(crate) base: Arc<LogicalPlan>,
    /// What follows from the rows of any round: the columns of the base, and the round of the rows that it follows from.
    pub(crate) term: Arc<LogicalPlan>,
    /// UNION without ALL.
    pub(crate) distinct: bool,
    schema: DFSchemaRef,
}

impl Recursion {
    /// `schema` are the columns of its rows.
    pub(crate) fn new(number: usize, base: LogicalPlan, term: LogicalPlan, distinct: bool, schema: DFSchemaRef) -> Self {
        Self { number, base: Arc::new(base), term: Arc::new(term), distinct, schema }
    }
}

impl PartialOrd for Recursion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for Recursion {
    fn name(&self) -> &str {
        "Recursion"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.base, &self.term]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Recursion: {}", if self.distinct { "UNION" } else { "UNION ALL" })
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let [base, term] = [0, 0].map(|_| Arc::new(inputs.remove(0)));
        Ok(Self { base, term, ..self.clone() })
    }
}

/// The rows of the rounds of recursion `number`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Rounds {
    pub(crate) number: usize,
    name: TableReference,
    schema: DFSchemaRef,
}

impl Rounds {
    /// The rows that a scan of the table `name` with these columns stands for; the round is added as last column.
    pub(crate) fn try_new(number: usize, name: TableReference, columns: &DFSchema) -> Result<Self> {
        let mut fields: Vec<(Option<TableReference>, Arc<Field>)> = columns
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))))
            .collect();
        fields.push((Some(name.clone()), Arc::new(Field::new(ROUND, DataType::Int64, false))));
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { number, name, schema })
    }
}

impl PartialOrd for Rounds {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for Rounds {
    fn name(&self) -> &str {
        "Rounds"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Rounds: {}", self.name)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, _: Vec<LogicalPlan>) -> Result<Self> {
        Ok(self.clone())
    }
}
