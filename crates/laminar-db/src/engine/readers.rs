//! The running readers of sources and of tables with a connector: each is asked in turn, in the order in which they were created.

use std::sync::Arc;

use laminar_connectors::{BadRow, Position, Source, SourcePoll, Trouble};
use laminar_core::limits::{BATCH_ROWS_MAX, PIECE_ROWS_START};
use laminar_core::panics::caught;
use laminar_core::reactor::{Reactor, Task};
use laminar_core::time::Clock;
use laminar_core::{ChangeBatch, Code, Error, NodeId};

use super::alignment::Held;
use super::journal::Journal;
use super::side_outputs::SideOutputs;
use super::sieve::without_faults;
use super::{Claim, TableRules};
use crate::catalog::ObjectId;

/// Rows that a reader is asked for at once.
const READ_ROWS: usize = 4 * BATCH_ROWS_MAX;

/// How often it is looked whether a full disk has room again, in nanoseconds.
const FULL_DISK_LOOKS_NS: i64 = 500_000_000;

/// Where what readers deliver goes.
pub(crate) struct Deliveries<'a> {
    reactor: &'a mut Reactor,
    side_outputs: &'a mut SideOutputs,
    journal: &'a mut Journal,
}

impl<'a> Deliveries<'a> {
    pub(super) fn of(reactor: &'a mut Reactor, side_outputs: &'a mut SideOutputs, journal: &'a mut Journal) -> Self {
        Self { reactor, side_outputs, journal }
    }
}

/// All readers.
#[derive(Default)]
pub(crate) struct Readers {
    readers: Vec<Reader>,
    /// How many threads wait for all sources to be here: until then none is lent.
    recalls: usize,
}

/// A source that is being read.
pub(crate) struct Reader {
    /// The object that it belongs to.
    pub(crate) object: ObjectId,
    /// Where its rows go.
    pub(crate) node: NodeId,
    /// What is read; away while it is lent.
    source: Option<Box<dyn Source>>,
    /// Whether it ended by itself when it was lent last.
    bounded: bool,
    /// Where it stood when it was lent last, and why it had nothing.
    position: String,
    trouble: Option<Trouble>,
    /// Where it stood at the last checkpoint.
    acknowledged: Position,
    /// Where it goes on, until it does.
    resume: Option<Position>,
    /// Whether the end of the data is the end of the node: not for tables, into which people can still insert.
    ends_node: bool,
    /// Whether its rows are written into the log: it cannot be read a second time, or what statements insert beside its rows depends on
    /// the order in which both came.
    is_logged: bool,
    /// Whether somebody reads from the node: `EXPLAIN` alone must not use up the rows of a source.
    wanted: bool,
    again_at: i64,
    /// What was read and waits to be passed on.
    ahead: Option<Result<SourcePoll, Error>>,
    /// Nanoseconds that reading it took while a step ran.
    ahead_ns: u64,
    /// Whether it is not to be asked for more for now, and its source knows.
    is_held: bool,
    /// When it delivered something last, or could not be asked; `None`: it was not asked yet.
    heard_at: Option<i64>,
    /// How many rows its last piece might have.
    piece_rows: usize,
    /// Whether its rows are answers of a lookup table: rows wait for them.
    answers: bool,
    /// The rules of the table that it fills, if that has UNIQUE constraints.
    unique: Option<Arc<TableRules>>,
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

/// A source that one thread reads while others use the engine.
pub(crate) struct Loan {
    node: NodeId,
    source: Box<dyn Source>,
    polled: Option<Result<SourcePoll, Error>>,
}

impl Loan {
    /// Reads about `rows_max` rows.
    pub(crate) fn read(&mut self, rows_max: usize) {
        self.polled = Some(caught(|| self.source.poll(rows_max)));
    }
}

impl Readers {
    pub(crate) fn add(&mut self, object: ObjectId, node: NodeId, source: Box<dyn Source>, ends_node: bool) {
        let state = ReaderState::Fresh;
        let (wanted, bounded) = (!ends_node, source.is_bounded());
        let is_logged = !ends_node || !source.can_seek();
        self.readers.push(Reader {
            object,
            node,
            source: Some(source),
            bounded,
            position: String::new(),
            trouble: None,
            acknowledged: Position::default(),
            resume: None,
            ends_node,
            is_logged,
            wanted,
            again_at: i64::MIN,
            ahead: None,
            ahead_ns: 0,
            is_held: false,
            heard_at: None,
            piece_rows: PIECE_ROWS_START,
            answers: false,
            unique: None,
            state,
            rows: 0,
            bad: 0,
        });
    }

    /// Rows that the reader at `node` delivers are held to the UNIQUE constraints of their table, when they come in and not when they are read: until then
    /// others can take a key.
    pub(crate) fn keep_unique(&mut self, node: NodeId, rules: &Arc<TableRules>) {
        let filling = self.readers.iter_mut().filter(|reader| reader.node == node && !rules.uniques.is_empty());
        filling.for_each(|reader| reader.unique = Some(Arc::clone(rules)));
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

    /// Adds the reader of a lookup table. It is asked for nothing before a row waits for it.
    pub(crate) fn add_lookup(&mut self, object: ObjectId, node: NodeId, source: Box<dyn Source>) {
        self.add(object, node, source, false);
        for reader in self.readers.iter_mut().filter(|reader| reader.node == node) {
            (reader.wanted, reader.answers) = (false, true);
        }
    }

    /// Says whether there is something to ask the reader of a lookup table for; if it `was_idle`, it is asked at once.
    pub(super) fn set_asked(&mut self, node: NodeId, has_keys: bool, was_idle: bool) {
        for reader in self.readers.iter_mut().filter(|reader| reader.node == node) {
            // What was read, or is being read, is still to be passed on.
            reader.wanted = has_keys || reader.ahead.is_some() || reader.source.is_none();
            if has_keys && was_idle {
                reader.again_at = i64::MIN;
            }
        }
    }

    /// Takes the reader at `node` away, and gives what it reads.
    pub(super) fn take(&mut self, node: NodeId) -> Option<Box<dyn Source>> {
        let at = self.readers.iter().position(|reader| reader.node == node)?;
        self.readers.remove(at).source
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

    /// Whether a reader is not asked for more for now.
    pub(crate) fn some_held(&self) -> bool {
        self.readers.iter().any(|reader| reader.is_held)
    }

    /// Whether one of these objects' readers will come to an end but has not yet.
    pub(crate) fn some_bounded_open(&self, objects: &[ObjectId]) -> bool {
        self.readers.iter().any(|reader| reader.is_open() && reader.is_bounded() && objects.contains(&reader.object))
    }

    /// Asks every reader whose node has taken in what it got before, but not those that are `held`. True if one delivered something.
    pub(crate) fn read(&mut self, into: &mut Deliveries<'_>, held: &Held, now: i64) -> bool {
        let mut progressed = false;
        for reader in &mut self.readers {
            progressed |= reader.is_due(into.reactor, held, now) && reader.ask(into, now, READ_ROWS);
        }
        progressed
    }

    /// Adds the readers as tasks; those are ready that are to be asked now.
    pub(crate) fn tasks(&self, tasks: &mut Vec<Task>, reactor: &Reactor, held: &Held, now: i64) {
        let ready = |reader: &Reader| reader.is_due(reactor, held, now) && (self.recalls == 0 || reader.ahead.is_some());
        tasks.extend(self.readers.iter().map(|reader| Task { id: reader.node, ready: ready(reader) }));
        tasks.sort_unstable_by_key(|task| task.id);
    }

    /// When the next reader is to be asked, of those that can be.
    pub(crate) fn next_ask(&self, reactor: &Reactor, held: &Held) -> Option<i64> {
        let can = |reader: &&Reader| reader.can_be_asked(reactor, held);
        self.readers.iter().filter(can).map(|reader| reader.again_at).min()
    }

    /// The source at `node`, to be read without the engine, if nothing of it waits to be passed on.
    pub(crate) fn lend(&mut self, node: NodeId, rows_max: usize) -> Option<Loan> {
        let reader = self.readers.iter_mut().find(|reader| reader.node == node)?;
        reader.piece_rows = rows_max;
        if reader.ahead.is_some() {
            return None;
        }
        let source = reader.source.take()?;
        (reader.position, reader.trouble) = (source.describe_position(), source.trouble());
        reader.bounded = source.is_bounded();
        Some(Loan { node, source, polled: None })
    }

    /// Takes back what was lent, with what was read. If its object has been dropped meanwhile, both go with it.
    pub(crate) fn take_back(&mut self, loan: Loan) {
        if let Some(reader) = self.readers.iter_mut().find(|reader| reader.node == loan.node) {
            (reader.source, reader.ahead, reader.ahead_ns) = (Some(loan.source), loan.polled, 0);
        }
    }

    /// Whether a source is lent.
    pub(crate) fn some_lent(&self) -> bool {
        self.readers.iter().any(|reader| reader.source.is_none())
    }

    /// From now on no source is lent, until [`end_recall`](Self::end_recall) has been called as often.
    pub(crate) fn recall(&mut self) {
        self.recalls += 1;
    }

    pub(crate) fn end_recall(&mut self) {
        self.recalls -= 1;
    }

    /// Asks the reader at `node` if it is to be asked now. If it delivered something: how many rows, and the nanoseconds that reading them
    /// ahead took.
    pub(crate) fn read_one(&mut self, node: NodeId, into: &mut Deliveries<'_>, held: &Held, now: i64) -> Option<(usize, u64)> {
        let reader = self.readers.iter_mut().find(|reader| reader.node == node)?;
        let (before, ahead_ns) = (reader.rows, std::mem::take(&mut reader.ahead_ns));
        let progressed = reader.is_due(into.reactor, held, now) && reader.ask(into, now, reader.piece_rows);
        progressed.then(|| ((reader.rows - before) as usize, ahead_ns))
    }

    /// Ends all readers. What was read ahead is passed on, and what is not a whole row is rejected.
    pub(crate) fn give_up(&mut self, into: &mut Deliveries<'_>, now: i64) -> Result<(), Error> {
        for reader in self.readers.iter_mut().filter(|reader| reader.is_open()) {
            if reader.ahead.is_some() {
                reader.ask(into, now, 0);
            }
            let bad = reader.source.as_mut().map(|source| source.give_up()).unwrap_or_default();
            reader.bad += bad.len() as u64;
            into.side_outputs.add_unreadable(reader.object, reader.node, &bad)?;
            reader.end();
        }
        Ok(())
    }

    /// Passes on what was read ahead.
    pub(crate) fn pass_on_ahead(&mut self, into: &mut Deliveries<'_>, now: i64) {
        for reader in self.readers.iter_mut().filter(|reader| reader.is_open() && reader.ahead.is_some()) {
            reader.ask(into, now, 0);
        }
    }

    /// Whether something was read that has not been passed on.
    pub(crate) fn some_ahead(&self) -> bool {
        self.readers.iter().any(|reader| reader.ahead.is_some())
    }

    /// Lets all readers go on from where they stood before the database was closed.
    pub(crate) fn seek(&mut self) {
        self.readers.iter_mut().for_each(Reader::seek);
    }

    /// Tells all sources that they will not be asked again for what they have delivered.
    pub(crate) fn acknowledge(&mut self) {
        for reader in &mut self.readers {
            if let Some(source) = &mut reader.source
                && let Err(error) = source.acknowledge(&reader.acknowledged)
            {
                reader.state = ReaderState::Failed(error);
            }
        }
    }

    /// Reads what will be asked for next, while other threads are at work: [`read`](Self::read) then takes it from here.
    pub(crate) fn read_ahead(&mut self, held: &Held, now: i64) {
        for reader in self.readers.iter_mut().filter(|reader| reader.can_read_ahead(held, now)) {
            reader.read_ahead(READ_ROWS, now);
        }
    }

    /// The same for one reader, and as many rows as its last piece might have.
    pub(super) fn read_piece_ahead(&mut self, held: &Held, clock: &dyn Clock) {
        let began = clock.now();
        if let Some(reader) = self.readers.iter_mut().find(|reader| reader.can_read_ahead(held, began)) {
            reader.read_ahead(reader.piece_rows, began);
            reader.ahead_ns = u64::try_from(clock.now().saturating_sub(began)).unwrap_or(0);
        }
    }
}

impl Reader {
    /// Whether it is to be asked for more.
    pub(crate) fn is_open(&self) -> bool {
        self.wanted && matches!(self.state, ReaderState::Fresh | ReaderState::Reading)
    }

    /// Whether it has been read to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.is_bounded() && self.state == ReaderState::Ended
    }

    /// Whether its rows are answers of a lookup table, which let others go that wait for them.
    pub(super) fn answers(&self) -> bool {
        self.answers
    }

    /// Whether its end is that of its node.
    pub(super) fn ends_node(&self) -> bool {
        self.ends_node
    }

    /// Whether it ends by itself. Of what is away it is known when it is back.
    fn is_bounded(&self) -> bool {
        self.source.as_ref().map_or(self.bounded, |source| source.is_bounded())
    }

    /// Nothing more will be read.
    fn end(&mut self) {
        if self.is_open() {
            self.state = ReaderState::Ended;
        }
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
    pub(crate) fn describe_position(&self) -> String {
        self.source.as_ref().map_or_else(|| self.position.clone(), |source| source.describe_position())
    }

    /// Why it has nothing, if what it reads is away and looked at again.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.source.as_ref().map_or_else(|| self.trouble.clone(), |source| source.trouble())
    }

    /// Nanoseconds until it is asked again.
    pub(crate) fn asked_again_in(&self, now: i64) -> i64 {
        self.again_at.saturating_sub(now).max(0)
    }

    /// Where it stands, for a checkpoint; `None` while its source is lent. What is before it will be acknowledged when the checkpoint is published.
    pub(super) fn checkpointed_position(&mut self) -> Option<Position> {
        self.acknowledged = self.source.as_ref()?.position();
        Some(self.acknowledged.clone())
    }

    /// Is in this state since it has delivered what is before `position`, from where it goes on after [`Readers::seek`].
    pub(super) fn go_on(&mut self, state: ReaderState, position: &Position) {
        (self.wanted, self.state, self.resume) = (true, state, Some(position.clone()));
    }

    /// Goes on from where it stood before the database was closed. If its source cannot, it has failed; the others go on.
    fn seek(&mut self) {
        let Some(position) = self.resume.take().filter(|_| self.state == ReaderState::Reading) else { return };
        if let Some(source) = self.source.as_mut().filter(|source| source.can_seek())
            && let Err(error) = source.seek(&position)
        {
            self.state = ReaderState::Failed(error);
        }
    }

    /// Whether it can be asked for more: its node has taken in what it got before, and it is not `held`.
    fn can_be_asked(&self, reactor: &Reactor, held: &Held) -> bool {
        self.is_open() && !held.holds(self) && reactor.waiting_rows(self.node) == 0
    }

    /// Whether it is to be asked now.
    fn is_due(&self, reactor: &Reactor, held: &Held, now: i64) -> bool {
        self.can_be_asked(reactor, held) && self.again_at <= now
    }

    fn can_read_ahead(&self, held: &Held, now: i64) -> bool {
        let is_due = self.again_at <= now && self.ahead.is_none();
        self.wanted && self.state == ReaderState::Reading && is_due && !held.holds(self)
    }

    /// Keeps what comes next, or when to look again.
    fn read_ahead(&mut self, rows_max: usize, now: i64) {
        self.ahead = match self.source.as_mut().map(|source| source.poll(rows_max)) {
            None => None,
            Some(Ok(SourcePoll::Pending(wait))) => {
                self.again_at = now.saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX));
                None
            }
            other => other,
        };
    }

    /// Passes the next rows on, some `rows_max`. True if there were any, or it has come to an end.
    fn ask(&mut self, into: &mut Deliveries<'_>, now: i64, rows_max: usize) -> bool {
        self.heard_at.get_or_insert(now);
        let source = &mut self.source;
        let Some(polled) = self.ahead.take().or_else(|| source.as_mut().map(|source| source.poll(rows_max))) else {
            return false;
        };
        match polled.and_then(|polled| self.pass_on(into, now, polled)) {
            Ok(true) => self.heard_at = Some(now),
            Ok(false) => return false,
            Err(error) => self.state = ReaderState::Failed(error),
        }
        true
    }

    /// Passes on what a poll gave. False if it was nothing yet.
    fn pass_on(&mut self, into: &mut Deliveries<'_>, now: i64, polled: SourcePoll) -> Result<bool, Error> {
        match polled {
            SourcePoll::Rows { changes, bad } => {
                let (fitting, taken, claim) = self.without_taken_keys(&changes)?;
                let changes = match self.logged(into, now, &fitting) {
                    // What cannot be read again waits for room.
                    Err(error) if error.code() == Code::DiskFull => {
                        self.ahead = Some(Ok(SourcePoll::Rows { changes, bad }));
                        self.again_at = now.saturating_add(FULL_DISK_LOOKS_NS);
                        return Ok(false);
                    }
                    logged => logged?,
                };
                claim.into_iter().for_each(Claim::note);
                let bad: Vec<BadRow> = bad.into_iter().chain(taken).collect();
                self.state = ReaderState::Reading;
                self.rows += changes.len() as u64;
                self.bad += bad.len() as u64;
                into.side_outputs.add_unreadable(self.object, self.node, &bad)?;
                into.reactor.push(self.node, changes)?;
            }
            SourcePoll::Pending(wait) => {
                self.again_at = now.saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX));
                return Ok(false);
            }
            SourcePoll::End => {
                self.state = ReaderState::Ended;
                if self.is_logged {
                    into.journal.end_of(now, self.object, false)?;
                }
                if self.ends_node {
                    into.reactor.end(self.node)?;
                } else {
                    into.reactor.expedite(self.node)?;
                }
            }
        }
        Ok(true)
    }

    /// The rows without those whose keys others have; these, and what the table knows when the rest has come in.
    fn without_taken_keys(&self, changes: &ChangeBatch) -> Result<(ChangeBatch, Vec<BadRow>, Option<Claim>), Error> {
        let Some(rules) = &self.unique else { return Ok((changes.clone(), Vec::new(), None)) };
        let (faults, claim) = rules.sorted_out_by_keys(changes.rows())?;
        let (fitting, taken) = without_faults(changes, faults, &self.describe_position())?;
        Ok((fitting, taken, Some(claim)))
    }

    /// The rows as the node takes them, when they are written into the log; as they are, if they can be read again.
    fn logged(&self, into: &mut Deliveries<'_>, now: i64, changes: &ChangeBatch) -> Result<ChangeBatch, Error> {
        if !self.is_logged {
            return Ok(changes.clone());
        }
        let changes = into.reactor.accepted(self.node, changes.clone())?;
        if !changes.is_empty() {
            let position = self.source.as_ref().map(|source| source.position());
            into.journal.rows(now, self.object, &changes, position.as_ref())?;
        }
        Ok(changes)
    }
}
