//! Inner equi-join of two Z-sets: the pairs of rows with equal keys that also meet a residual condition.
//!
//! The join is bilinear, and one input's changes are taken at a time: they meet all that the other input has brought so
//! far (weights multiply), and only then join their own side's arrangement. So every pair is made exactly once, whichever
//! of the two came first, within a step and across steps. A retraction finds the same pairs and takes them back.
//!
//! Without keys every pair is looked at, by the same way: all rows have the same empty key.

mod pairs;
mod side;

use arrow_schema::SchemaRef;

use self::pairs::Pairs;
use self::side::Side;
use super::{Operator, OperatorContext};
use crate::graph::{EdgeProperties, JoinSpec};
use crate::state::{Imaged, Ownership, StateImage};
use crate::{ChangeBatch, Code, Error, Port, Result};

/// What the images call the two arrangements, by port.
const SIDES: [&str; 2] = ["left", "right"];

/// Keeps the rows of both inputs, arranged by key.
#[derive(Debug)]
pub struct JoinOperator {
    sides: [Side; 2],
    pairs: Pairs,
}

impl JoinOperator {
    /// A join of edges with these properties. Refused if the keys' types differ: the planner casts them before.
    pub fn new(spec: &JoinSpec, left: &EdgeProperties, right: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        check_keys(spec)?;
        let sides = [Side::new(&spec.left_keys, left), Side::new(&spec.right_keys, right)];
        if sides[0].width() + sides[1].width() != output.fields().len() {
            return Err(Error::internal("a join's output is not its left and its right columns"));
        }
        Ok(Self { sides, pairs: Pairs::new(output, spec.residual.clone()) })
    }
}

fn check_keys(spec: &JoinSpec) -> Result<()> {
    if spec.left_keys.len() != spec.right_keys.len() {
        return Err(Error::internal("a join with more keys on one side"));
    }
    let mut pairs = spec.left_keys.iter().zip(&spec.right_keys);
    match pairs.find(|(left, right)| left.data_type() != right.data_type()) {
        None => Ok(()),
        Some((left, right)) => Err(Error::new(
            Code::TypeMismatch,
            format!(
                "cannot join {} of type {} with {} of type {}",
                left.display(),
                left.data_type(),
                right.display(),
                right.data_type()
            ),
        )
        .with_hint("cast one of them to the other's type")),
    }
}

impl Operator for JoinOperator {
    fn on_changes(&mut self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (own, other) = (port.index(), 1 - port.index());
        let Some(keyed) = self.sides[own].prepare(changes, cx)? else { return Ok(()) };
        self.pairs.emit(port, &keyed, &self.sides[other], cx)?;
        self.sides[own].insert(&keyed)
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl Imaged for JoinOperator {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        for (side, name) in self.sides.iter().zip(SIDES) {
            side.arrangement().add_to_image(&mut image, name)?;
        }
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        for (side, name) in self.sides.iter_mut().zip(SIDES) {
            parts.iter().try_for_each(|image| side.restore(image, name, owned))?;
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.sides.iter().map(|side| side.arrangement().len()).sum()
    }

    fn bytes(&self) -> usize {
        self.sides.iter().map(|side| side.arrangement().bytes()).sum()
    }
}
