//! Pairs of rows with equal keys, and rows with or without a match.

use std::ops::RangeInclusive;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::TimeBound;
use crate::Port;
use crate::expr::ExprRef;
use crate::graph::distribute::{Placement, StatePlace, gathered};
use crate::graph::edge::{ChangeKind, EdgeProperties, Partitioning, TimeColumn};
use crate::graph::exchange::Exchange;
use crate::graph::explain::list;
use crate::graph::kept::{Extent, KEYED_ROW_BYTES, Kept, KeptInput, NodeKeeps, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_condition, expect_input, expect_types};
use crate::{Code, Error, Result};

/// What a join shows. A row has a match if a row of the other side has its keys and meets the residual condition with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinType {
    /// Pairs that match.
    Inner,
    /// Pairs, and left rows without a match, beside NULLs.
    Left,
    /// Pairs, and right rows without a match, beside NULLs.
    Right,
    /// Pairs, and rows of both sides without a match, beside NULLs.
    Full,
    /// Left rows with a match.
    LeftSemi,
    /// Right rows with a match.
    RightSemi,
    /// Left rows without a match.
    LeftAnti,
    /// Right rows without a match.
    RightAnti,
    /// All left rows, and a column that says whether they have a match.
    LeftMark,
}

impl JoinType {
    /// Whether pairs are shown; otherwise rows of one side are.
    pub fn shows_pairs(self) -> bool {
        matches!(self, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full)
    }

    /// Whether what is shown of the rows that come in at `port` depends on whether they have a match.
    pub fn depends_on_matches(self, port: Port) -> bool {
        use JoinType as J;
        match self {
            J::Inner => false,
            J::Full => true,
            J::Left | J::LeftSemi | J::LeftAnti | J::LeftMark => port == Port::LEFT,
            J::Right | J::RightSemi | J::RightAnti => port == Port::RIGHT,
        }
    }

    /// Whether columns of the side at `port` can be NULL because a row of the other side has no match.
    pub fn pads(self, port: Port) -> bool {
        let other = if port == Port::LEFT { Port::RIGHT } else { Port::LEFT };
        self.shows_pairs() && self.depends_on_matches(other)
    }

    /// The columns of the output over inputs with these schemas.
    pub fn output_schema(self, left: &Schema, right: &Schema) -> Schema {
        let side = |schema: &Schema, port: Port| -> Vec<Field> {
            let fields = schema.fields().iter().map(|field| field.as_ref().clone());
            fields.map(|field| if self.pads(port) { field.with_nullable(true) } else { field }).collect()
        };
        let (left, right) = (side(left, Port::LEFT), side(right, Port::RIGHT));
        Schema::new(match self {
            JoinType::LeftSemi | JoinType::LeftAnti => left,
            JoinType::RightSemi | JoinType::RightAnti => right,
            JoinType::LeftMark => [left, vec![Field::new("mark", DataType::Boolean, false)]].concat(),
            _ => [left, right].concat(),
        })
    }

    fn display(self) -> &'static str {
        match self {
            JoinType::Inner => "Join",
            JoinType::Left => "Left join",
            JoinType::Right => "Right join",
            JoinType::Full => "Full join",
            JoinType::LeftSemi => "Left semi join",
            JoinType::RightSemi => "Right semi join",
            JoinType::LeftAnti => "Left anti join",
            JoinType::RightAnti => "Right anti join",
            JoinType::LeftMark => "Left mark join",
        }
    }
}

/// Equi-join. Output columns of pairs: left, then right; otherwise those of the side that is shown.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// What is shown.
    pub join_type: JoinType,
    /// Key expressions over the left input; none: every pair is looked at.
    pub left_keys: Vec<ExprRef>,
    /// Key expressions over the right input, of the same types.
    pub right_keys: Vec<ExprRef>,
    /// Whether NULL equals NULL in keys; otherwise a row with a NULL key has no match.
    pub null_equals_null: bool,
    /// A condition over left and right columns together that a pair must also meet to be a match.
    pub residual: Option<ExprRef>,
    /// What the keys and the residual condition say about times; `None`: every row is kept until it is retracted.
    pub time_bound: Option<TimeBound>,
    /// How each left row is joined once, so that the result does not follow the right side: inner or left. `None`: it follows both sides.
    pub lookup: Option<Lookup>,
}

/// Which right rows a left row is joined with that is joined once. When it is taken back, so is what it was given then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Those that are there when it comes.
    Stored,
    /// Those of a cache of rows that stand elsewhere: it waits until some of its key are there. That there are none elsewhere is a
    /// row too, which the residual condition does not meet.
    Cached,
}

impl JoinSpec {
    /// Pairs of rows whose keys are equal, and that is all.
    pub fn inner(left_keys: Vec<ExprRef>, right_keys: Vec<ExprRef>) -> Self {
        Self {
            join_type: JoinType::Inner,
            left_keys,
            right_keys,
            null_equals_null: false,
            residual: None,
            time_bound: None,
            lookup: None,
        }
    }
}

/// What bounds a side of a join.
const SIDE_REMEDY: &str = "join ON … AND r.ts BETWEEN l.ts - INTERVAL … AND l.ts + INTERVAL …; or GROUP BY below it, so that this side \
                           has one row for each group; or read this side from a TABLE with a primary key";

impl NodeSpec for JoinSpec {
    fn name(&self) -> &'static str {
        "join"
    }

    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        // A row that is shown for want of a match is taken back when one comes.
        let grows = matches!(self.join_type, JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi);
        let append = match self.lookup {
            Some(_) => inputs[0].changes.is_append(),
            None => grows && inputs.iter().all(|input| input.changes.is_append()),
        };
        let changes = if append { ChangeKind::Append } else { ChangeKind::Retract };
        EdgeProperties {
            partitioning: self.partitioning(0..self.left_keys.len(), inputs[0].schema.fields().len()),
            time_columns: match &self.time_bound {
                Some(bound) => bound.times(self.join_type, inputs[0].schema.fields().len()),
                None if self.lookup == Some(Lookup::Stored) => inputs[0].time_columns.clone(),
                // What waits is passed by what does not, and holds the watermark back.
                None if self.lookup.is_some() => inputs[0].time_columns.iter().map(|time| time.incomplete()).collect(),
                None => times(self.join_type, inputs[0], inputs[1]),
            },
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
        let partitioning = self.partitioning(order.iter().copied(), left.schema.fields().len());
        // What a join puts out need not have the keys by which its rows are spread.
        Placement { exchanges, partitioning, state: StatePlace::ByKeys(order) }
    }

    /// What a left row is given that is joined once depends on what has come before it; rows that come and go again meet others each time.
    fn takes_pieces(&self, provisional: bool) -> bool {
        !provisional && self.lookup.is_none()
    }

    fn gives_provisional_rows(&self) -> bool {
        !matches!(self.join_type, JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi)
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
        let can_look_up = matches!(self.join_type, JoinType::Inner | JoinType::Left);
        if self.lookup.is_some() && (!can_look_up || self.left_keys.is_empty() || self.null_equals_null) {
            return Err(Error::internal("a lookup join that is neither inner nor left, or has no keys, or joins NULL with NULL"));
        }
        self.time_bound.iter().try_for_each(|bound| bound.validate(inputs[0], inputs[1]))?;
        let expected = self.join_type.output_schema(left, right);
        expect_types(schema, expected.fields().iter().map(|field| field.data_type()))?;
        match expected.fields().iter().zip(schema.fields()).find(|(expected, ours)| expected.is_nullable() && !ours.is_nullable())
        {
            Some((_, field)) => Err(Error::internal(format!("a join can make {} NULL, which its schema denies", field.name()))),
            None => Ok(()),
        }
    }

    fn explain(&self, _: &Node, _: &[&SchemaRef]) -> String {
        let pairs = self.left_keys.iter().zip(&self.right_keys);
        let equal = if self.null_equals_null { "is not distinct from" } else { "=" };
        let on: Vec<String> = pairs.map(|(left, right)| format!("{} {equal} {}", left.display(), right.display())).collect();
        let on = if on.is_empty() { "every pair".to_owned() } else { format!("on {}", on.join(" and ")) };
        let residual = self.residual.as_ref().map(|residual| format!(" where {}", residual.display()));
        let within = self.time_bound.as_ref().map(TimeBound::explain);
        let kind = match (self.lookup, self.join_type) {
            (None, join_type) => join_type.display(),
            (Some(Lookup::Stored), JoinType::Left) => "Left lookup join",
            (Some(Lookup::Stored), _) => "Lookup join",
            (Some(Lookup::Cached), JoinType::Left) => "Left cached lookup join",
            (Some(Lookup::Cached), _) => "Cached lookup join",
        };
        format!("{kind} {on}{}{}", residual.unwrap_or_default(), within.unwrap_or_default())
    }

    /// The rows of both sides: any of them may still find a partner, unless a bound says how old partners can be. A lookup join keeps what
    /// it looks rows up in, the rows that wait, and what it has given to rows that can be taken back.
    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let side = |name: &str, port: Port, keys: &[ExprRef]| {
            let input = &inputs[usize::from(port != Port::LEFT)];
            let by = if keys.is_empty() { String::new() } else { format!(" by ({})", list(keys)) };
            let bytes = KEYED_ROW_BYTES + row_bytes(&input.edge.schema);
            let bound = self.time_bound.filter(|bound| bound.forgets(port));
            let extent = match bound {
                Some(bound) => Extent::Bounded(format!("those that a row to come can meet:{}", bound.explain())),
                None => input.extent.clone(),
            };
            Kept::new(format!("the rows of the {name} side{by}"), &extent, bytes, SIDE_REMEDY)
        };
        let (left, right) = (&inputs[0], &inputs[1]);
        let output = match self.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left.extent.clone(),
            JoinType::RightSemi | JoinType::RightAnti => right.extent.clone(),
            _ => left.extent.and(right.extent, "pairs of rows that match"),
        };
        let kept_right = side("right", Port::RIGHT, &self.right_keys);
        if let Some(lookup) = self.lookup {
            let mut kept = vec![kept_right];
            if lookup == Lookup::Cached {
                let until = Extent::Bounded("those whose key is not in the cache, until it is answered".to_owned());
                let bytes = KEYED_ROW_BYTES + row_bytes(&left.edge.schema);
                kept.push(Kept::new(format!("the rows that wait, by ({})", list(&self.left_keys)), &until, bytes, ""));
            }
            if !left.edge.changes.is_append() {
                let bytes = KEYED_ROW_BYTES + row_bytes(&left.edge.schema) + row_bytes(&right.edge.schema);
                kept.push(Kept::new("what each row of the left side was given", left.extent, bytes, SIDE_REMEDY));
            }
            return NodeKeeps { kept, output };
        }
        NodeKeeps { kept: vec![side("left", Port::LEFT, &self.left_keys), kept_right], output }
    }

    /// Rows that meet are as old as they are, unless a bound says how old that can be: then late rows do not meet.
    fn follows_watermark(&self) -> bool {
        self.time_bound.is_some()
    }
}

impl JoinSpec {
    /// The keys by which rows are spread. A side that is spread by some of them stays where it is, and the other one comes to it.
    fn order(&self, left: &EdgeProperties, right: &EdgeProperties) -> Vec<usize> {
        let kept = keys_of(left, &self.left_keys).or_else(|| keys_of(right, &self.right_keys));
        kept.unwrap_or_else(|| (0..self.left_keys.len()).collect())
    }

    /// Rows are where their keys are, if those are columns of the output that no padding makes NULL.
    fn partitioning(&self, order: impl Iterator<Item = usize>, left_width: usize) -> Partitioning {
        if self.left_keys.is_empty() {
            return Partitioning::Single;
        }
        let (keys, first) = match self.join_type {
            JoinType::Full => return Partitioning::Any,
            JoinType::Right => (&self.right_keys, left_width),
            JoinType::RightSemi | JoinType::RightAnti => (&self.right_keys, 0),
            _ => (&self.left_keys, 0),
        };
        let columns: Option<Vec<usize>> = order.map(|key| Some(first + keys[key].as_column()?)).collect();
        columns.map_or(Partitioning::Any, Partitioning::Hash)
    }
}

/// Without a bound, time survives a join with tables and stored views only: rows of two streams can meet at any later time, so their times follow no
/// watermark. Nor does a time survive that is NULL beside a row without a match.
fn times(join_type: JoinType, left: &EdgeProperties, right: &EdgeProperties) -> Vec<TimeColumn> {
    use JoinType as J;
    let (first, shows_left, shows_right) = match join_type {
        J::LeftSemi | J::LeftAnti | J::LeftMark => (0, true, false),
        J::RightSemi | J::RightAnti => (0, false, true),
        _ => (left.schema.fields().len(), !join_type.pads(Port::LEFT), !join_type.pads(Port::RIGHT)),
    };
    let moved = |time: &TimeColumn| TimeColumn { column: first + time.column, ..time.incomplete() };
    match (left.is_stream, right.is_stream) {
        (_, false) if shows_left => left.time_columns.iter().map(|time| time.incomplete()).collect(),
        (false, true) if shows_right => right.time_columns.iter().map(moved).collect(),
        _ => Vec::new(),
    }
}

/// Which of `keys` spread the input, in the order of its partitioning; `None` if it is spread otherwise.
fn keys_of(input: &EdgeProperties, keys: &[ExprRef]) -> Option<Vec<usize>> {
    let Partitioning::Hash(columns) = &input.partitioning else { return None };
    columns.iter().map(|column| keys.iter().position(|key| key.as_column() == Some(*column))).collect()
}
