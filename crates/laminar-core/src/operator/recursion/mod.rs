//! A recursive query: the rows of each round follow from those of the round before it, until a round brings nothing new.
//!
//! Rows carry the number of their round, and the term keeps it. So the term is one graph for all rounds: its joins hold the rows of every round, and a
//! change of round r makes changes of round r + 1 alone. A step starts with what changed in the base (round 0) and in what else the term reads (any
//! round), and goes on until nothing changes. Rounds are done in their order, so each is final when it is done: rows that have only each other as a reason
//! are taken back with the last reason outside of them.

mod rounds;
mod term;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::SchemaRef;

use super::{Operator, OperatorContext};
use crate::changelog::consolidate_all;
use crate::graph::{EdgeProperties, RecursionSpec};
use crate::state::{Imaged, Ownership, StateImage};
use crate::{ChangeBatch, Code, Error, Port, Result};
use rounds::{AllRows, FirstRounds};
use term::Term;

/// The operator of a recursive query.
pub struct Recursion {
    output: SchemaRef,
    /// The columns of the output and the round.
    rounds_schema: SchemaRef,
    rounds: Rounds,
    term: Term,
    rounds_max: i64,
}

/// Which rows the rounds have.
enum Rounds {
    /// UNION ALL: whatever the term brings.
    All(AllRows),
    /// UNION: each row in the first round that brings it.
    First(FirstRounds),
}

impl Recursion {
    /// The operator of `spec` behind `inputs`, whose output has the columns `output`.
    pub fn new(spec: &RecursionSpec, inputs: &[&EdgeProperties], output: SchemaRef) -> Result<Self> {
        let rounds_schema = spec.rounds.schema.clone();
        let rounds = match spec.distinct {
            true => Rounds::First(FirstRounds::new(&output, rounds_schema.clone())?),
            false => Rounds::All(AllRows::default()),
        };
        Ok(Self { term: Term::new(spec, inputs)?, output, rounds_schema, rounds, rounds_max: i64::from(spec.rounds_max) })
    }

    /// Rows of the base are those of round 0.
    fn add_base(&mut self, changes: &ChangeBatch) -> Result<()> {
        let round = vec![0; changes.len()];
        self.add(changes, &round)
    }

    /// What the term made of the rows of the rounds are rows of the next ones.
    fn add_next(&mut self, changes: &ChangeBatch) -> Result<()> {
        let rounds: Vec<i64> =
            changes.rows().columns().last().map_or_else(Vec::new, |column| {
                column.as_primitive::<Int64Type>().values().iter().map(|round| round + 1).collect()
            });
        self.add(changes, &rounds)
    }

    /// Rows, of which only as many columns count as the output has, with the round of each.
    fn add(&mut self, changes: &ChangeBatch, of_rounds: &[i64]) -> Result<()> {
        if of_rounds.iter().any(|round| *round > self.rounds_max) {
            return Err(self.endless());
        }
        match &mut self.rounds {
            Rounds::All(rows) => rows.add(changes, of_rounds, &self.rounds_schema),
            Rounds::First(rows) => rows.add(changes, of_rounds),
        }
    }

    /// What changes in the first rounds in which something is to be done.
    fn next(&mut self) -> Result<Option<ChangeBatch>> {
        match &mut self.rounds {
            Rounds::All(rows) => rows.next(&self.rounds_schema),
            Rounds::First(rows) => rows.next(),
        }
    }

    fn endless(&self) -> Error {
        let max = self.rounds_max;
        Error::new(Code::LimitReached, format!("a recursion did not come to its end within {max} rounds"))
            .with_detail("each round brings rows that no round before it has brought")
            .with_hint(
                "bound it in its second part: WHERE depth < 100; or write UNION, which leaves out rows that were there before",
            )
    }
}

impl Operator for Recursion {
    fn on_changes(&mut self, port: Port, changes: ChangeBatch, _: &mut OperatorContext<'_>) -> Result<()> {
        let changes = changes.without_arrivals();
        if port == Port::LEFT {
            self.add_base(&changes)?;
        }
        self.term.receive_input(port, &changes);
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        loop {
            let changed = self.next()?;
            if changed.is_none() && !self.term.has_work() {
                break;
            }
            for changes in self.term.run(changed, cx)? {
                self.add_next(&changes)?;
            }
        }
        let changes = match &mut self.rounds {
            Rounds::All(rows) => consolidate_all(&self.output, &rows.take(&self.output)?)?,
            Rounds::First(rows) => rows.difference(&self.output)?,
        };
        cx.emit(changes.known_consolidated());
        Ok(())
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl Imaged for Recursion {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = self.term.image()?;
        if let Rounds::First(rows) = &self.rounds {
            image.push("rounds", rows.image()?);
        }
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        if let Rounds::First(rows) = &mut self.rounds {
            parts.iter().try_for_each(|part| rows.restore(part.get("rounds")?))?;
        }
        self.term.restore(parts, owned)
    }

    fn rows(&self) -> usize {
        self.term.rows() + if let Rounds::First(rows) = &self.rounds { rows.len() } else { 0 }
    }

    fn bytes(&self) -> usize {
        self.term.bytes() + if let Rounds::First(rows) = &self.rounds { rows.bytes() } else { 0 }
    }
}
