//! Columns that are computed for each row from the rows around it: `function(…) OVER (PARTITION BY … ORDER BY …)`.

use std::ops::RangeInclusive;

use arrow_schema::{DataType, SchemaRef};

use crate::Result;
use crate::expr::aggregate::AggregateCall;
use crate::expr::{ExprRef, SortKey};
use crate::graph::derive::together;
use crate::graph::distribute::{Placement, partitioned};
use crate::graph::edge::{ChangeKind, EdgeProperties};
use crate::graph::explain::{column_names, list, sorting};
use crate::graph::kept::{Kept, KeptInput, NodeKeeps, ORDERED_ROW_BYTES, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_condition, expect_order, expect_types, types};

/// Output columns: those of the input, then one for each call. A row of weight 3 is three rows. Rows with equal keys are ordered by
/// all of their columns.
#[derive(Debug, Clone)]
pub struct OverSpec {
    /// Rows with equal values in these columns are a partition (NULL = NULL); none: all rows are one.
    pub partition: Vec<usize>,
    /// The order within a partition.
    pub order: Vec<SortKey>,
    /// What is computed for each row.
    pub calls: Vec<OverCall>,
}

/// One function over the rows around a row.
#[derive(Debug, Clone)]
pub struct OverCall {
    /// What is computed.
    pub function: OverFunction,
    /// The type of the result.
    pub data_type: DataType,
    /// The name of the output column.
    pub name: String,
}

/// What is computed for a row. Peers are rows with the same sort keys.
#[derive(Debug, Clone)]
pub enum OverFunction {
    /// Its number in its partition, from 1.
    RowNumber,
    /// One more than the rows before its peers.
    Rank,
    /// The number of its group of peers, from 1.
    DenseRank,
    /// Rank less 1, of rows less 1.
    PercentRank,
    /// The rows up to its last peer, of all rows.
    CumeDist,
    /// Which of so many parts of like size it is in, from 1.
    Ntile(i64),
    /// `lag` and `lead`.
    Shifted {
        /// Of which the value is taken, from another row.
        value: ExprRef,
        /// How many rows behind this one; negative: before it.
        offset: i64,
        /// What stands for a row that is not there; NULL otherwise.
        default: Option<ExprRef>,
        /// Only rows count for which the value is not NULL.
        ignore_nulls: bool,
    },
    /// `first_value`, `last_value` and `nth_value`.
    Picked {
        /// Of which the value is taken, from a row of the frame.
        value: ExprRef,
        /// From which row.
        pick: Pick,
        /// Only rows count for which the value is not NULL.
        ignore_nulls: bool,
        /// Among which rows.
        frame: Frame,
    },
    /// An aggregate of the frame.
    Aggregate {
        /// Which one.
        call: AggregateCall,
        /// Of which rows.
        frame: Frame,
    },
}

/// A row of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The first one is number 1.
    Nth(i64),
    /// The last one.
    Last,
}

/// Which rows of its partition a row sees.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What is counted.
    pub unit: FrameUnit,
    /// The first row.
    pub start: FrameBound,
    /// The last row.
    pub end: FrameBound,
    /// Which of them it does not see.
    pub exclude: Exclude,
}

/// Which rows are left out of a frame: `EXCLUDE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Exclude {
    /// None.
    #[default]
    NoOthers,
    /// The current row.
    CurrentRow,
    /// The current row and its peers.
    Group,
    /// The peers of the current row, but not the row itself.
    Ties,
}

/// What the bounds of a frame count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameUnit {
    /// Rows.
    Rows,
    /// Values of the only sort key; the current row stands for its peers.
    Range,
    /// Groups of peers.
    Groups,
}

/// Where a frame begins or ends.
#[derive(Debug, Clone)]
pub enum FrameBound {
    /// With the partition.
    Unbounded,
    /// So many rows or groups behind the current one; negative: before it. For values, 0 alone: at its peers.
    Offset(i64),
    /// At a value of the sort key.
    Value {
        /// What gives it for the current row.
        value: ExprRef,
        /// Where it cannot be computed: whether it lies before all values, or behind them.
        is_before: bool,
    },
}

impl NodeSpec for OverSpec {
    fn name(&self) -> &'static str {
        "over"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let input = inputs[0];
        match self.rows_kept(input) {
            Some(_) => {
                let time_columns = input.time_columns.clone();
                EdgeProperties { time_columns, ..together(input, schema, ChangeKind::Append, &self.partition) }
            }
            None => together(input, schema, ChangeKind::Retract, &self.partition),
        }
    }

    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        partitioned(&inputs[0], &self.partition)
    }

    /// Each row can change what is computed for all rows behind it.
    fn takes_pieces(&self, _: bool) -> bool {
        false
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        expect_order(&inputs[0].schema, &self.partition, &self.order)?;
        self.aggregates().filter_map(|call| call.filter.as_ref()).try_for_each(expect_condition)?;
        expect_types(schema, types(&inputs[0].schema).chain(self.calls.iter().map(|call| &call.data_type)))
    }

    fn explain(&self, node: &Node, _: &[&SchemaRef]) -> String {
        let schema = &node.output.schema;
        let calls: Vec<String> = self.calls.iter().map(|call| format!("{} as {}", call.function.text(), call.name)).collect();
        let order =
            if self.order.is_empty() { String::new() } else { format!(" in the order of {}", sorting(schema, &self.order)) };
        let each = match self.partition.is_empty() {
            true => String::new(),
            false => format!(" for each ({})", column_names(schema, &self.partition)),
        };
        format!("Over{order}{each} compute ({})", calls.join(", "))
    }

    /// All rows, since the frame of any of them may still change; where rows come in order, those that later ones look back to.
    fn keeps(&self, node: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let input = &inputs[0];
        let bytes = ORDERED_ROW_BYTES + row_bytes(&input.edge.schema);
        if let Some(rows) = self.rows_kept(input.edge) {
            let keys = column_names(&node.output.schema, &self.partition);
            let rows = if rows == 1 { "the last row".to_owned() } else { format!("the last {rows} rows") };
            let what = if keys.is_empty() { rows } else { format!("{rows} of each ({keys})") };
            return NodeKeeps::only(Kept::new(what, &input.extent.groups(&keys), bytes, ""), input.extent.clone());
        }
        let remedy = "GROUP BY below it, so that it keeps one row for each group; row_number() does not bound it";
        NodeKeeps::only(Kept::new("all rows in order", input.extent, bytes, remedy), input.extent.clone())
    }
}

impl OverSpec {
    /// How many rows of each partition later ones look back to, if results never change: rows come in the order, and no row looks ahead.
    pub(crate) fn rows_kept(&self, input: &EdgeProperties) -> Option<i64> {
        let first = self.order.first().filter(|key| !key.direction.descending)?;
        let time = input.time_column(first.column)?;
        if !(input.changes.is_append() && time.in_order) {
            return None;
        }
        self.calls.iter().map(|call| call.function.looks_back()).try_fold(0, |most, rows| Some(rows?.max(most)))
    }

    /// The aggregates among the calls.
    pub(crate) fn aggregates(&self) -> impl Iterator<Item = &AggregateCall> {
        self.calls.iter().filter_map(|call| match &call.function {
            OverFunction::Aggregate { call, .. } => Some(call),
            _ => None,
        })
    }

    /// The values that are taken from rows, and what stands for them.
    pub(crate) fn values(&self) -> Vec<&ExprRef> {
        let mut values = Vec::new();
        for call in &self.calls {
            match &call.function {
                OverFunction::Shifted { value, default, .. } => values.extend(std::iter::once(value).chain(default)),
                OverFunction::Picked { value, .. } => values.push(value),
                _ => {}
            }
        }
        values
    }
}

impl OverFunction {
    /// How many rows before its own a row sees at most, if none behind it and a number that is known.
    fn looks_back(&self) -> Option<i64> {
        match self {
            OverFunction::Shifted { offset, ignore_nulls: false, .. } if *offset <= 0 => offset.checked_neg(),
            OverFunction::Picked { frame, .. } | OverFunction::Aggregate { frame, .. } => match frame {
                Frame { unit: FrameUnit::Rows, start: FrameBound::Offset(start), end: FrameBound::Offset(end), exclude }
                    if *end <= 0 && matches!(exclude, Exclude::NoOthers | Exclude::CurrentRow) =>
                {
                    start.min(&0).checked_neg()
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn text(&self) -> String {
        let nulls = |ignore: bool| if ignore { " ignore nulls" } else { "" };
        match self {
            OverFunction::RowNumber => "row_number()".to_owned(),
            OverFunction::Rank => "rank()".to_owned(),
            OverFunction::DenseRank => "dense_rank()".to_owned(),
            OverFunction::PercentRank => "percent_rank()".to_owned(),
            OverFunction::CumeDist => "cume_dist()".to_owned(),
            OverFunction::Ntile(parts) => format!("ntile({parts})"),
            OverFunction::Shifted { value, offset, default, ignore_nulls } => {
                let name = if *offset > 0 { "lead" } else { "lag" };
                let default = default.as_ref().map(|default| format!(", {}", default.display())).unwrap_or_default();
                format!("{name}({}, {}{default}){}", value.display(), offset.abs(), nulls(*ignore_nulls))
            }
            OverFunction::Picked { value, pick, ignore_nulls, frame } => {
                let call = match pick {
                    Pick::Nth(1) => format!("first_value({})", value.display()),
                    Pick::Nth(n) => format!("nth_value({}, {n})", value.display()),
                    Pick::Last => format!("last_value({})", value.display()),
                };
                format!("{call}{} {}", nulls(*ignore_nulls), frame.text())
            }
            OverFunction::Aggregate { call, frame } => {
                let filter = call.filter.as_ref().map(|filter| format!(" where {}", filter.display())).unwrap_or_default();
                format!("{}({}){filter} {}", call.function.name(), list(&call.args), frame.text())
            }
        }
    }
}

impl Frame {
    fn text(&self) -> String {
        let unit = match self.unit {
            FrameUnit::Rows => "rows",
            FrameUnit::Range => "range",
            FrameUnit::Groups => "groups",
        };
        let bound = |bound: &FrameBound, unbounded: &str| match bound {
            FrameBound::Unbounded => unbounded.to_owned(),
            FrameBound::Offset(0) => "current".to_owned(),
            FrameBound::Offset(offset) => format!("{offset:+}"),
            FrameBound::Value { value, .. } => value.display(),
        };
        let exclude = match self.exclude {
            Exclude::NoOthers => "",
            Exclude::CurrentRow => " without current",
            Exclude::Group => " without its group",
            Exclude::Ties => " without ties",
        };
        format!("{unit} {} to {}{exclude}", bound(&self.start, "first"), bound(&self.end, "last"))
    }
}
