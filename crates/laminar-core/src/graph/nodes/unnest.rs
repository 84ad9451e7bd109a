//! Lists taken apart: a row for each element.

use std::ops::RangeInclusive;

use arrow_schema::{DataType, SchemaRef};

use crate::graph::distribute::Placement;
use crate::graph::edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
use crate::graph::kept::{KeptInput, NodeKeeps};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_column, expect_types};
use crate::{Code, Error, Result};

/// Each row as often as its longest list is long; shorter lists are filled up with NULL.
#[derive(Debug, Clone)]
pub struct UnnestSpec {
    /// The output's columns.
    pub columns: Vec<UnnestColumn>,
    /// What becomes of rows without elements.
    pub missing: MissingElements,
}

/// What an output column of [`UnnestSpec`] is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnnestColumn {
    /// The input column, repeated.
    Repeated(usize),
    /// The elements of the lists in `column`; lists inside of lists are taken apart to this depth, at least 1.
    Elements {
        /// The input column.
        column: usize,
        /// How many levels of lists.
        depth: usize,
    },
    /// A field of the structs in `column`.
    Field {
        /// The input column.
        column: usize,
        /// The field's number.
        field: usize,
    },
}

/// What becomes of rows without elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingElements {
    /// They are dropped.
    Dropped,
    /// A NULL list counts as one NULL, an empty list is dropped.
    NullKept,
    /// A NULL list and an empty list count as one NULL.
    AllKept,
}

impl UnnestColumn {
    /// The input column.
    pub fn column(&self) -> usize {
        match *self {
            Self::Repeated(column) | Self::Elements { column, .. } | Self::Field { column, .. } => column,
        }
    }

    fn type_over<'a>(&self, input: &'a SchemaRef) -> Result<&'a DataType> {
        expect_column(input, self.column())?;
        let whole = input.field(self.column()).data_type();
        match *self {
            Self::Repeated(_) => Ok(whole),
            Self::Elements { depth: 0, .. } => Err(Error::internal("a list is taken apart by no level")),
            Self::Elements { depth, .. } => (0..depth).try_fold(whole, |list, _| element(list)),
            Self::Field { field, .. } => match whole {
                DataType::Struct(fields) if field < fields.len() => Ok(fields[field].data_type()),
                other => Err(Error::internal(format!("{other} has no field {field}"))),
            },
        }
    }
}

fn element(list: &DataType) -> Result<&DataType> {
    match list {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => Ok(field.data_type()),
        other => Err(Error::new(Code::TypeMismatch, format!("{other} is no list that can be taken apart"))),
    }
}

impl NodeSpec for UnnestSpec {
    fn name(&self) -> &'static str {
        "unnest"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// A row comes several times, so no key is left.
    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let input = inputs[0];
        let changes = if input.changes.is_append() { ChangeKind::Append } else { ChangeKind::Retract };
        let repeated = |(at, column): (usize, &UnnestColumn)| match column {
            UnnestColumn::Repeated(column) => input.time_column(*column).map(|time| TimeColumn { column: at, ..time }),
            _ => None,
        };
        let time_columns = self.columns.iter().enumerate().filter_map(repeated).collect();
        EdgeProperties { schema, changes, partitioning: self.partitioning(input), time_columns, is_stream: input.is_stream }
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        Placement::new(vec![None], self.partitioning(&inputs[0]))
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        let types = self.columns.iter().map(|column| column.type_over(&inputs[0].schema));
        expect_types(schema, types.collect::<Result<Vec<_>>>()?.into_iter())
    }

    fn explain(&self, node: &Node, _: &[&SchemaRef]) -> String {
        let fields = node.output.schema.fields().iter().zip(&self.columns);
        let made = fields.filter(|(_, column)| !matches!(column, UnnestColumn::Repeated(_)));
        let names: Vec<_> = made.map(|(field, _)| field.name().as_str()).collect();
        format!("Unnest ({})", names.join(", "))
    }

    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        NodeKeeps::nothing(inputs[0].extent.clone())
    }
}

impl UnnestSpec {
    fn partitioning(&self, input: &EdgeProperties) -> Partitioning {
        let Partitioning::Hash(columns) = &input.partitioning else { return input.partitioning.clone() };
        let place = |column: &usize| self.columns.iter().position(|own| *own == UnnestColumn::Repeated(*column));
        columns.iter().map(place).collect::<Option<Vec<_>>>().map_or(Partitioning::Any, Partitioning::Hash)
    }
}
