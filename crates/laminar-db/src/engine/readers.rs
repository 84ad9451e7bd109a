//! The running readers of sources and of tables with a connector: each is asked in turn, in the order in which they were created.

use laminar_connectors::{Source, SourcePoll};
use laminar_core::limits::BATCH_ROWS_MAX;
use laminar_core::reactor::Reactor;
use laminar_core::{Error, NodeId};

use super::aside::Aside;

/// Rows that a reader is asked for at once.
const READ_ROWS: usize = 4 * BATCH_ROWS_MAX;

/// All readers.
#[derive(Default)]
pub(crate) struct Readers {
    readers: Vec<Reader>,
}

/// A source that is being read.
pub(crate) struct Reader {
    /// The object that it belongs to.
    pub(crate) name: String,
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
pub(crate) struct Read {
    pub(crate) progressed: bool,
    /// When to ask again, if a reader waits for data.
    pub(crate) again_at: Option<i64>,
}

impl Readers {
    pub(crate) fn add(&mut self, name: &str, node: NodeId, source: Box<dyn Source>, ends_node: bool) {
        let (name, state) = (name.to_owned(), ReaderState::Fresh);
        let wanted = !ends_node;
        self.readers.push(Reader {
            name,
            node,
            source,
            ends_node,
            wanted,
            again_at: i64::MIN,
            ahead: None,
            state,
            rows: 0,
            bad: 0,
        });
    }

    /// Says that somebody reads from `node` now.
    pub(crate) fn want(&mut self, node: NodeId) {
        for reader in self.readers.iter_mut().filter(|reader| reader.node == node) {
            reader.wanted = true;
        }
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

    /// Whether a reader may still deliver something, apart from those of objects that are `held` back.
    pub(crate) fn some_open(&self, held: &[String]) -> bool {
        self.readers.iter().any(|reader| reader.is_open() && !held.contains(&reader.name))
    }

    /// Whether one of these objects' readers will come to an end but has not yet.
    pub(crate) fn some_bounded_open(&self, names: &[String]) -> bool {
        self.readers.iter().any(|reader| reader.is_open() && reader.source.is_bounded() && names.contains(&reader.name))
    }

    /// Asks every reader whose node has taken in what it got before, but not those of objects that are `held` back.
    pub(crate) fn read(&mut self, reactor: &mut Reactor, aside: &mut Aside, held: &[String], now: i64) -> Read {
        let mut read = Read { progressed: false, again_at: None };
        for reader in self.readers.iter_mut().filter(|reader| reader.is_open() && !held.contains(&reader.name)) {
            if reactor.waiting_rows(reader.node) > 0 {
                continue;
            }
            if reader.again_at > now {
                read.again_at = Some(read.again_at.map_or(reader.again_at, |at: i64| at.min(reader.again_at)));
                continue;
            }
            match reader.ask(reactor, aside, now) {
                Ok(None) => read.progressed = true,
                Ok(Some(at)) => read.again_at = Some(read.again_at.map_or(at, |before: i64| before.min(at))),
                Err(error) => {
                    reader.state = ReaderState::Failed(error);
                    read.progressed = true;
                }
            }
        }
        read
    }

    /// Reads what will be asked for next, while other threads are at work: [`read`](Self::read) then takes it from here.
    pub(crate) fn read_ahead(&mut self, held: &[String]) {
        let reading = |reader: &&mut Reader| reader.wanted && reader.state == ReaderState::Reading && reader.ahead.is_none();
        for reader in self.readers.iter_mut().filter(reading) {
            if held.contains(&reader.name) {
                continue;
            }
            reader.ahead = match reader.source.poll(READ_ROWS) {
                Ok(SourcePoll::Pending(_)) => None,
                other => Some(other),
            };
        }
    }
}

impl Reader {
    /// Whether it is to be asked for more.
    pub(crate) fn is_open(&self) -> bool {
        self.wanted && matches!(self.state, ReaderState::Fresh | ReaderState::Reading)
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

    /// Passes the next rows on; if there are none yet, says when to ask again.
    fn ask(&mut self, reactor: &mut Reactor, aside: &mut Aside, now: i64) -> Result<Option<i64>, Error> {
        match self.ahead.take().unwrap_or_else(|| self.source.poll(READ_ROWS))? {
            SourcePoll::Rows { changes, bad } => {
                self.state = ReaderState::Reading;
                self.rows += changes.len() as u64;
                self.bad += bad.len() as u64;
                aside.add_unreadable(&self.name, self.node, bad);
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
                }
                Ok(None)
            }
        }
    }
}
