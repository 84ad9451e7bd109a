//! The running readers of sources and of tables with a connector: each is asked in turn, in the order in which they were created.

use laminar_connectors::{Source, SourcePoll};
use laminar_core::budget::PieceRows;
use laminar_core::limits::BATCH_ROWS_MAX;
use laminar_core::reactor::Reactor;
use laminar_core::time::Clock;
use laminar_core::{Error, NodeId};

use super::alignment::Held;
use super::side_outputs::SideOutputs;
use crate::catalog::ObjectId;

/// Rows that a reader is asked for at once.
const READ_ROWS: usize = 4 * BATCH_ROWS_MAX;

/// All readers.
#[derive(Default)]
pub(crate) struct Readers {
    readers: Vec<Reader>,
    /// The place of the one whose turn it is to deliver a piece.
    turn: usize,
}

/// A source that is being read.
pub(crate) struct Reader {
    /// The object that it belongs to.
    pub(crate) object: ObjectId,
    /// Where its rows go.
    pub(crate) node: NodeId,
    source: Box<dyn Source>,
    /// Whether the end of the data is the end of the node: not for tables, into which people can still insert.
    ends_node: bool,
    /// Whether somebody reads from the node: `EXPLAIN` alone must not use up the rows of a source.
    wanted: bool,
    again_at: i64,
    /// What was read while a step ran.
    ahead: Option<Result<SourcePoll, Error>>,
    /// Whether it is not to be asked for more for now, and its source knows.
    is_held: bool,
    /// When it delivered something last, or could not be asked; `None`: it was not asked yet.
    heard_at: Option<i64>,
    /// How many rows a piece may have that keeps to the budget.
    piece: PieceRows,
    pub(crate) state: ReaderState,
    pub(crate) rows: u64,
    pub(crate) bad: u64,
}

/// How far a reader is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReaderState {
    /// Not asked for anything yet.
    Fresh,
    /// Reading.
    Reading,
    /// Read to the end.
    Ended,
    /// It cannot go on.
    Failed(Error),
}

/// What reading did.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) progressed: bool,
    /// When to ask again, if a reader waits for data.
    pub(crate) again_at: Option<i64>,
}

impl Read {
    fn wait_until(&mut self, at: i64) {
        self.again_at = Some(self.again_at.map_or(at, |before| before.min(at)));
    }
}

/// What reading a piece may take.
pub(super) struct ReadBudget<'a> {
    pub(super) limit_ns: u64,
    pub(super) clock: &'a dyn Clock,
}

impl ReadBudget<'_> {
    /// Lets the next piece learn from this one, which began at `began` and delivered so many rows.
    fn teach(&self, piece: &mut PieceRows, rows: usize, began: i64) {
        let spent = u64::try_from(self.clock.now().saturating_sub(began)).unwrap_or(0);
        piece.learn(rows, spent, self.limit_ns);
    }
}

impl Readers {
    pub(crate) fn add(&mut self, object: ObjectId, node: NodeId, source: Box<dyn Source>, ends_node: bool) {
        let state = ReaderState::Fresh;
        let wanted = !ends_node;
        self.readers.push(Reader {
            object,
            node,
            source,
            ends_node,
            wanted,
            again_at: i64::MIN,
            ahead: None,
            is_held: false,
            heard_at: None,
            piece: PieceRows::default(),
            state,
            rows: 0,
            bad: 0,
        });
    }

    /// Says that something reads from `node` now. True if nothing did before.
    pub(crate) fn want(&mut self, node: NodeId) -> bool {
        let unwanted = self.readers.iter_mut().filter(|reader| reader.node == node && !reader.wanted);
        unwanted.map(|reader| reader.wanted = true).count() > 0
    }

    /// Takes back that something reads from `node`.
    pub(super) fn unwant(&mut self, node: NodeId) {
        self.readers.iter_mut().filter(|reader| reader.node == node).for_each(|reader| reader.wanted = false);
    }

    /// Takes the reader at `node` away, and gives what it reads.
    pub(super) fn take(&mut self, node: NodeId) -> Option<Box<dyn Source>> {
        let at = self.readers.iter().position(|reader| reader.node == node)?;
        Some(self.readers.remove(at).source)
    }

    pub(crate) fn remove(&mut self, nodes: &[NodeId]) {
        self.readers.retain(|reader| !nodes.contains(&reader.node));
    }

    pub(crate) fn of_node(&self, node: NodeId) -> Option<&Reader> {
        self.readers.iter().find(|reader| reader.node == node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reader> {
        self.readers.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Reader> {
        self.readers.iter_mut()
    }

    /// The sources are other ones now, and know of no pause.
    pub(super) fn forget_pauses(&mut self) {
        self.readers.iter_mut().for_each(|reader| reader.is_held = false);
    }

    /// Whether a reader may still deliver something, apart from those that are `held`.
    pub(crate) fn some_open(&self, held: &Held) -> bool {
        self.readers.iter().any(|reader| reader.is_open() && !held.holds(reader))
    }

    /// Whether one of these objects' readers will come to an end but has not yet.
    pub(crate) fn some_bounded_open(&self, objects: &[ObjectId]) -> bool {
        self.readers.iter().any(|reader| reader.is_open() && reader.source.is_bounded() && objects.contains(&reader.object))
    }

    /// Asks every reader whose node has taken in what it got before, but not those that are `held`.
    pub(crate) fn read(&mut self, reactor: &mut Reactor, side_outputs: &mut SideOutputs, held: &Held, now: i64) -> Read {
        let mut read = Read::default();
        for reader in &mut self.readers {
            reader.read(reactor, side_outputs, (held, now), READ_ROWS, &mut read);
        }
        read
    }

    /// Asks one reader after the other, from the one whose turn it is, until one delivers a piece that keeps to the budget.
    pub(super) fn read_piece(
        &mut self,
        reactor: &mut Reactor,
        side_outputs: &mut SideOutputs,
        held: &Held,
        budget: &ReadBudget<'_>,
    ) -> Read {
        let mut read = Read::default();
        for ahead in 0..self.readers.len() {
            let place = (self.turn + ahead) % self.readers.len();
            let reader = &mut self.readers[place];
            let (began, before, was_ahead) = (budget.clock.now(), reader.rows, reader.ahead.is_some());
            reader.read(reactor, side_outputs, (held, began), reader.piece.rows(), &mut read);
            if read.progressed {
                if !was_ahead {
                    budget.teach(&mut reader.piece, (reader.rows - before) as usize, began);
                }
                self.turn = place + 1;
                break;
            }
        }
        read
    }

    /// Rejects what has been read and is not a whole row, since nothing more will be read.
    pub(crate) fn give_up(&mut self, side_outputs: &mut SideOutputs) -> Result<(), Error> {
        for reader in self.readers.iter_mut().filter(|reader| reader.is_open()) {
            let bad = reader.source.give_up();
            reader.bad += bad.len() as u64;
            side_outputs.add_unreadable(reader.object, reader.node, &bad)?;
        }
        Ok(())
    }

    /// Reads what will be asked for next, while other threads are at work: [`read`](Self::read) then takes it from here.
    pub(crate) fn read_ahead(&mut self, held: &Held) {
        for reader in self.readers.iter_mut().filter(|reader| reader.can_read_ahead(held)) {
            reader.read_ahead(READ_ROWS);
        }
    }

    /// The same for one reader that has nothing ahead yet, and a piece that keeps to the budget.
    pub(super) fn read_piece_ahead(&mut self, held: &Held, budget: &ReadBudget<'_>) {
        let turn = self.turn.min(self.readers.len());
        let (before, from) = self.readers.split_at_mut(turn);
        let mut inline_workers = from.iter_mut().chain(before);
        if let Some(reader) = inline_workers.find(|reader| reader.can_read_ahead(held)) {
            let began = budget.clock.now();
            let rows = reader.read_ahead(reader.piece.rows());
            budget.teach(&mut reader.piece, rows, began);
        }
    }
}

impl Reader {
    /// Whether it is to be asked for more.
    pub(crate) fn is_open(&self) -> bool {
        self.wanted && matches!(self.state, ReaderState::Fresh | ReaderState::Reading)
    }

    /// Whether it has been asked for so long without having anything; never where `idle_timeout` is `None`.
    pub(super) fn is_silent(&self, now: i64, idle_timeout: Option<i64>) -> bool {
        let silence = self.heard_at.map_or(0, |at| now.saturating_sub(at));
        idle_timeout.is_some_and(|timeout| silence >= timeout.max(1))
    }

    /// Notes whether it is not to be asked for now; true if that is news.
    pub(super) fn set_held(&mut self, is_held: bool, now: i64) -> bool {
        if is_held {
            self.heard_at = Some(now);
        }
        std::mem::replace(&mut self.is_held, is_held) != is_held
    }

    /// Whether somebody reads what it delivers.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether it has delivered anything, so that somebody who comes now would miss the beginning.
    pub(crate) fn has_begun(&self) -> bool {
        self.state != ReaderState::Fresh
    }

    /// Where it stands, as people read it.
    pub(crate) fn position(&self) -> String {
        self.source.position()
    }

    fn can_read_ahead(&self, held: &Held) -> bool {
        self.wanted && self.state == ReaderState::Reading && self.ahead.is_none() && !held.holds(self)
    }

    /// Keeps what comes next; how many rows that is.
    fn read_ahead(&mut self, rows_max: usize) -> usize {
        self.ahead = match self.source.poll(rows_max) {
            Ok(SourcePoll::Pending(_)) => None,
            other => Some(other),
        };
        match &self.ahead {
            Some(Ok(SourcePoll::Rows { changes, .. })) => changes.len(),
            _ => 0,
        }
    }

    /// Passes the next rows on, some `rows_max`, if it is to be asked now, its node has taken in what it got before, and it is not `held`.
    fn read(
        &mut self,
        reactor: &mut Reactor,
        side_outputs: &mut SideOutputs,
        (held, now): (&Held, i64),
        rows_max: usize,
        read: &mut Read,
    ) {
        if !self.is_open() || held.holds(self) || reactor.waiting_rows(self.node) > 0 {
            return;
        }
        if self.again_at > now {
            return read.wait_until(self.again_at);
        }
        self.heard_at.get_or_insert(now);
        match self.ask(reactor, side_outputs, now, rows_max) {
            Ok(None) => {
                self.heard_at = Some(now);
                read.progressed = true;
            }
            Ok(Some(at)) => read.wait_until(at),
            Err(error) => {
                self.state = ReaderState::Failed(error);
                read.progressed = true;
            }
        }
    }

    /// Passes the next rows on; if there are none yet, says when to ask again.
    fn ask(
        &mut self,
        reactor: &mut Reactor,
        side_outputs: &mut SideOutputs,
        now: i64,
        rows_max: usize,
    ) -> Result<Option<i64>, Error> {
        match self.ahead.take().unwrap_or_else(|| self.source.poll(rows_max))? {
            SourcePoll::Rows { changes, bad } => {
                self.state = ReaderState::Reading;
                self.rows += changes.len() as u64;
                self.bad += bad.len() as u64;
                side_outputs.add_unreadable(self.object, self.node, &bad)?;
                reactor.push(self.node, changes)?;
                Ok(None)
            }
            SourcePoll::Pending(wait) => {
                self.again_at = now.saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX));
                Ok(Some(self.again_at))
            }
            SourcePoll::End => {
                self.state = ReaderState::Ended;
                if self.ends_node {
                    reactor.end(self.node)?;
                } else {
                    reactor.expedite(self.node)?;
                }
                Ok(None)
            }
        }
    }
}
