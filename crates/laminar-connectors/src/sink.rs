//! What every sink is: something that takes changes step by step and is finished once.
//!
//! A sink that is opened as `transactional` works in epochs, the stretches between two checkpoints of a database: what is
//! written belongs to the current one, [`Sink::prepare`] makes it last, and [`Sink::commit`] shows it once the checkpoint
//! that holds the sink's token is durable. After a crash the sink is opened with that token, puts what is outside into
//! exactly the state that it tells, and is written the rest anew. So each row is there once, whatever happens in between.

use arrow_schema::SchemaRef;
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Result, StepId};

use crate::{BadRow, Options, SinkToken, Trouble};

/// A place where rows go.
pub trait Sink: Send {
    /// Takes the changes of one step. A file sink may buffer until [`finish`](Self::finish) or its own bounds.
    fn write(&mut self, step: StepId, changes: &ChangeBatch) -> Result<()>;

    /// The rows since the last call that the format cannot hold: they were not written.
    fn take_bad_rows(&mut self) -> Vec<BadRow> {
        Vec::new()
    }

    /// Makes what was written so far visible, as far as the format allows.
    fn flush(&mut self) -> Result<()>;

    /// No more changes will come: complete the output. Called once. Of a transactional sink this is the end of its last epoch:
    /// the output is complete when an epoch that was prepared afterwards is committed.
    fn finish(&mut self) -> Result<()>;

    /// Ends `epoch`, the first phase: what was written since the last call is durable and can be shown whatever happens later.
    /// The token goes into the checkpoint. Epochs are prepared in ascending order; others may follow before the commit. A sink
    /// that knows no epochs has shown everything already.
    fn prepare(&mut self, epoch: u64) -> Result<SinkToken> {
        let _shown_already = epoch;
        self.flush().map(|()| SinkToken::default())
    }

    /// The second phase, once the checkpoint is durable: what `epoch` and those before it have prepared becomes visible.
    /// To say it again changes nothing.
    fn commit(&mut self, epoch: u64) -> Result<()> {
        let _shown_already = epoch;
        Ok(())
    }

    /// The checkpoint did not come about: what was prepared for `epoch` belongs to the next one.
    fn abort(&mut self, epoch: u64) -> Result<()> {
        let _shown_already = epoch;
        Ok(())
    }

    /// Whether nothing has come of the [`write`](Self::write) or [`finish`](Self::finish) that has just failed, so that the call can be made again.
    fn can_try_again(&self) -> bool {
        false
    }

    /// Why rows wait in it, if that is because what it writes is away: it is tried again ([`RetryingSink`](crate::retry::RetryingSink)).
    fn trouble(&self) -> Option<Trouble> {
        None
    }

    /// Writes what waits, if it is time at `now` (wall-clock nanoseconds); gives when it is to be tried again, if something still waits.
    fn try_again(&mut self, now: i64) -> Result<Option<i64>> {
        let _nothing_waits = now;
        Ok(None)
    }

    /// How often a row is there after a crash.
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
}

/// How often the outside sees a row, if the database crashes and is opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// Once: the sink works in epochs.
    ExactlyOnce,
    /// Once, and once more if it was written after the last checkpoint before the crash.
    AtLeastOnce,
}

/// Which changes a sink can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Only inserted rows; anything else is refused when the sink is created, with the EMIT that would work.
    AppendOnly,
    /// Any weights (the sink shows or encodes them).
    Changes,
}

/// What a `CREATE SINK` says.
#[derive(Debug, Clone)]
pub struct SinkRequest {
    /// The name of the sink.
    pub name: String,
    /// Names and types of the rows.
    pub schema: SchemaRef,
    /// Which changes will come.
    pub changes: ChangeKind,
    /// Everything between the parentheses, and `format`.
    pub options: Options,
    /// Whether epochs are prepared and committed. Otherwise what is written is passed on, and `finish` completes the output.
    pub transactional: bool,
    /// Whether local files are written through Linux's `io_uring`, where there is one.
    pub io_uring: bool,
    /// What the sink told at the last checkpoint that was completed; `None`: it begins anew.
    pub resume: Option<SinkToken>,
}
