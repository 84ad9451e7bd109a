//! What writes to a sink: it and how it is doing. One thread at a time has it.

use laminar_connectors::{BadRow, Sink, SinkToken, Trouble};
use laminar_core::panics::caught;
use laminar_core::{ChangeBatch, Result, StepId};

use super::lane::Delivery;
use super::{SinkState, SinkStatus};
use crate::stored::{StoredSink, StoredSinkState, to_hex};

pub(super) struct Writer {
    pub(super) sink: Box<dyn Sink>,
    /// What it told when it prepared the last epoch.
    pub(super) token: SinkToken,
    /// The epoch that has prepared the last of its output, and whether it is visible.
    pub(super) last_epoch: LastEpoch,
    pub(super) rows: u64,
    /// Rows that it could not write, until they are taken over.
    pub(super) bad_rows: Vec<BadRow>,
    pub(super) state: SinkState,
    /// When what waits is written, if something does.
    pub(super) again_at: Option<i64>,
}

/// How far the end of a sink's output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastEpoch {
    /// The output has not ended, or no epoch has been prepared since.
    Open,
    Prepared(u64),
    /// Nothing of it waits for a commit, nor will.
    Committed,
}

impl Writer {
    pub(super) fn new(sink: Box<dyn Sink>, last_epoch: LastEpoch, state: SinkState, token: SinkToken, rows: u64) -> Self {
        Self { sink, token, last_epoch, rows, bad_rows: Vec::new(), state, again_at: None }
    }

    pub(super) fn status(&self) -> SinkStatus {
        SinkStatus { rows: self.rows, state: self.state.clone(), trouble: self.trouble(), again_at: self.again_at }
    }

    /// Why rows wait in it.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        if matches!(self.state, SinkState::Failed(_)) {
            return None;
        }
        caught(|| Ok(self.sink.trouble())).unwrap_or_else(|error| Some(Trouble { error, attempts: 0 }))
    }

    /// Takes what a step has brought. A panic fails the sink: what waits behind it would be lost with it, without a word.
    pub(super) fn take(&mut self, delivery: Delivery) {
        if self.state != SinkState::Writing {
            return;
        }
        let taken = caught(|| {
            match delivery {
                Delivery::Changes(step, changes) => self.write(step, &changes),
                Delivery::End => self.finish(),
                Delivery::Failure(error) => self.state = SinkState::Failed(error),
            }
            Ok(())
        });
        if let Err(error) = taken {
            self.state = SinkState::Failed(error);
        }
    }

    pub(super) fn finish(&mut self) {
        if self.state == SinkState::Writing {
            self.state = match self.sink.finish() {
                Ok(()) => SinkState::Finished,
                Err(error) => SinkState::Failed(error),
            };
        }
    }

    fn write(&mut self, step: StepId, batch: &ChangeBatch) {
        if let Err(error) = self.sink.write(step, batch) {
            self.state = SinkState::Failed(error);
        }
        self.rows += batch.len() as u64;
        self.keep_bad_rows();
    }

    /// Writes what waits for its outside, if it is time.
    pub(super) fn try_again(&mut self, now: i64) {
        self.again_at = None;
        if matches!(self.state, SinkState::Failed(_)) {
            return;
        }
        match caught(|| self.sink.try_again(now)) {
            Ok(again_at) => self.again_at = again_at,
            Err(error) => self.state = SinkState::Failed(error),
        }
        self.keep_bad_rows();
    }

    fn keep_bad_rows(&mut self) {
        let bad_rows = caught(|| Ok(self.sink.take_bad_rows())).unwrap_or_else(|error| {
            self.state = SinkState::Failed(error);
            Vec::new()
        });
        self.rows = self.rows.saturating_sub(bad_rows.len() as u64);
        self.bad_rows.extend(bad_rows);
    }

    /// Makes what was written in `epoch` last, and gives what a checkpoint says of the sink; one that cannot has failed.
    pub(super) fn prepare(&mut self, epoch: u64) -> StoredSink {
        self.in_epochs(|writer| {
            writer.token = writer.sink.prepare(epoch)?;
            Ok(())
        });
        if self.state == SinkState::Finished && self.last_epoch != LastEpoch::Committed {
            self.last_epoch = LastEpoch::Prepared(epoch);
        }
        let state = match &self.state {
            SinkState::Writing => StoredSinkState::Writing,
            SinkState::Finished if self.last_epoch == LastEpoch::Committed => StoredSinkState::Complete,
            SinkState::Finished => StoredSinkState::Finished,
            SinkState::Failed(error) => StoredSinkState::Failed(error.message().to_owned()),
        };
        StoredSink { state, token: to_hex(self.token.as_stored()), rows: self.rows }
    }

    /// What was prepared up to `epoch` becomes visible.
    pub(super) fn commit(&mut self, epoch: u64) {
        self.in_epochs(|writer| {
            writer.sink.commit(epoch)?;
            if writer.last_epoch == LastEpoch::Prepared(epoch) {
                writer.last_epoch = LastEpoch::Committed;
            }
            Ok(())
        });
    }

    /// The checkpoint of `epoch` has not come about.
    pub(super) fn abort(&mut self, epoch: u64) {
        self.in_epochs(|writer| writer.sink.abort(epoch));
    }

    /// Does this unless all that it has written is visible; a sink that cannot has failed.
    fn in_epochs(&mut self, step: impl FnOnce(&mut Self) -> Result<()>) {
        if matches!(self.state, SinkState::Failed(_)) || self.last_epoch == LastEpoch::Committed {
            return;
        }
        if let Err(error) = caught(|| step(self)) {
            self.state = SinkState::Failed(error);
        }
    }
}
