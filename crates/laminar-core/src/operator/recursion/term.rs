//! The nodes of a recursive term, run one after the other for each round.

use std::cell::RefCell;

use super::super::build::build;
use super::super::{Operator, OperatorContext};
use crate::graph::{EdgeProperties, RecursionSpec, TermInput};
use crate::state::{Imaged, Ownership, StateImage};
use crate::{ChangeBatch, Port, Result};

/// The operators of the term, each after those that it reads from.
pub(super) struct Term {
    /// An operator gives its state only to whom it belongs; the size of all is asked by those that look.
    nodes: RefCell<Vec<TermOperator>>,
    /// Which nodes read the rows of the rounds, and through which ports.
    rounds_readers: Vec<(usize, Port)>,
    /// The same of the recursion's inputs, by port.
    input_readers: Vec<Vec<(usize, Port)>>,
    result: TermInput,
    /// Whether a node has something to do.
    has_work: bool,
}

struct TermOperator {
    operator: Box<dyn Operator>,
    waiting: Vec<(Port, ChangeBatch)>,
    readers: Vec<(usize, Port)>,
}

impl Term {
    pub(super) fn new(spec: &RecursionSpec, inputs: &[&EdgeProperties]) -> Result<Self> {
        let mut nodes = Vec::with_capacity(spec.term.len());
        for (place, term) in spec.term.iter().enumerate() {
            let operator = build(&term.node, &spec.edges(place, inputs)?)?;
            nodes.push(TermOperator { operator, waiting: Vec::new(), readers: Vec::new() });
        }
        let (mut rounds_readers, mut input_readers) = (Vec::new(), vec![Vec::new(); inputs.len()]);
        for (reader, term) in spec.term.iter().enumerate() {
            for (port, input) in (0_u8..).zip(&term.inputs) {
                match *input {
                    TermInput::Rounds => rounds_readers.push((reader, Port(port))),
                    TermInput::Input(input) => input_readers[input].push((reader, Port(port))),
                    TermInput::Node(place) => nodes[place].readers.push((reader, Port(port))),
                }
            }
        }
        Ok(Self { nodes: RefCell::new(nodes), rounds_readers, input_readers, result: spec.result, has_work: false })
    }

    /// Whether changes of an input wait.
    pub(super) fn has_work(&self) -> bool {
        self.has_work
    }

    /// Takes what changed in an input of the recursion.
    pub(super) fn receive_input(&mut self, port: Port, changes: &ChangeBatch) {
        let nodes = self.nodes.get_mut();
        for (reader, port) in self.input_readers.get(port.index()).into_iter().flatten() {
            nodes[*reader].waiting.push((*port, changes.clone()));
            self.has_work = true;
        }
    }

    /// Runs the nodes over what waits and over what changed in the rounds; returns what changed in the result.
    pub(super) fn run(&mut self, rounds: Option<ChangeBatch>, cx: &mut OperatorContext<'_>) -> Result<Vec<ChangeBatch>> {
        self.has_work = false;
        let nodes = self.nodes.get_mut();
        if let Some(changes) = &rounds {
            for (reader, port) in &self.rounds_readers {
                nodes[*reader].waiting.push((*port, changes.clone()));
            }
        }
        let mut result = match self.result {
            TermInput::Rounds => rounds.into_iter().collect(),
            _ => Vec::new(),
        };
        for place in 0..nodes.len() {
            // A node's readers stand behind it.
            let (before, behind) = nodes.split_at_mut(place + 1);
            let node = &mut before[place];
            if node.waiting.is_empty() {
                continue;
            }
            let out = run_node(node, cx)?;
            for (reader, port) in &node.readers {
                let waiting = &mut behind[*reader - place - 1].waiting;
                waiting.extend(out.iter().map(|changes| (*port, changes.clone())));
            }
            if self.result == TermInput::Node(place) {
                result.extend(out);
            }
        }
        Ok(result)
    }

    /// The state of each node, its tables under the number of its place.
    pub(super) fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        for (place, node) in self.nodes.get_mut().iter_mut().enumerate() {
            let Some(state) = node.operator.state() else { continue };
            let tables = state.image()?.tables;
            image.tables.extend(tables.into_iter().map(|mut table| {
                table.name = format!("{place}/{}", table.name);
                table
            }));
        }
        Ok(image)
    }

    pub(super) fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        for (place, node) in self.nodes.get_mut().iter_mut().enumerate() {
            let Some(state) = node.operator.state() else { continue };
            let own: Vec<StateImage> = parts.iter().map(|part| tables_of(part, place)).collect();
            state.restore(&own.iter().collect::<Vec<_>>(), owned)?;
        }
        Ok(())
    }

    pub(super) fn rows(&self) -> usize {
        self.sum(|state| state.rows())
    }

    pub(super) fn bytes(&self) -> usize {
        self.sum(|state| state.bytes())
    }

    fn sum(&self, size: impl Fn(&dyn Imaged) -> usize) -> usize {
        let mut nodes = self.nodes.borrow_mut();
        nodes.iter_mut().filter_map(|node| node.operator.state()).map(|state| size(state)).sum()
    }
}

fn run_node(node: &mut TermOperator, cx: &mut OperatorContext<'_>) -> Result<Vec<ChangeBatch>> {
    let mut out = Vec::new();
    let mut inner = cx.inside(&mut out);
    for (port, changes) in node.waiting.drain(..) {
        node.operator.on_changes(port, changes, &mut inner)?;
    }
    node.operator.end_step(&mut inner)?;
    Ok(out)
}

/// What of an image is of the node number `place`.
fn tables_of(image: &StateImage, place: usize) -> StateImage {
    let prefix = format!("{place}/");
    let own = image.tables.iter().filter_map(|table| {
        let name = table.name.strip_prefix(&prefix)?.to_owned();
        let mut table = table.clone();
        table.name = name;
        Some(table)
    });
    StateImage { tables: own.collect() }
}
