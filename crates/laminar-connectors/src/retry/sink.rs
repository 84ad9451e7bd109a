//! A sink that is written later: what it could not take waits, in order, within a bound.

use std::collections::VecDeque;

use laminar_core::{ChangeBatch, Code, Error, Result, StepId};

use super::{Attempts, Retry, Trouble, passes, shown};
use crate::{BadRow, Guarantee, Sink, SinkToken};

/// Bytes of changes that may wait.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Opens the sink that is to be written.
pub type OpenSink = Box<dyn Fn() -> Result<Box<dyn Sink>> + Send>;

/// A sink that is tried again. While something waits no epoch can be prepared, so the engine asks [`Sink::trouble`] first.
pub struct RetryingSink {
    attempts: Attempts,
    open: OpenSink,
    /// `None`: it could not be opened yet.
    sink: Option<Box<dyn Sink>>,
    waiting: VecDeque<(StepId, ChangeBatch)>,
    waiting_bytes: usize,
    /// An epoch that is to be committed as soon as that is possible.
    commit: Option<u64>,
    /// Whether the output ends behind what waits.
    ends: bool,
    again: Again,
}

/// When it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// So many nanoseconds after the next look at the clock.
    In(i64),
    At(i64),
}

impl RetryingSink {
    /// A sink that is there.
    pub fn new(retry: Retry, sink: Box<dyn Sink>, open: OpenSink) -> Self {
        Self::of(Attempts::new(retry, None), Some(sink), open)
    }

    /// A sink that was there once and cannot be opened now, for `error`.
    pub fn away(retry: Retry, error: Error, open: OpenSink) -> Self {
        Self::of(Attempts::new(retry, Some(Trouble { error, attempts: 0 })), None, open)
    }

    fn of(attempts: Attempts, sink: Option<Box<dyn Sink>>, open: OpenSink) -> Self {
        let (waiting, again) = (VecDeque::new(), Again::In(0));
        Self { attempts, open, sink, waiting, waiting_bytes: 0, commit: None, ends: false, again }
    }

    fn is_away(&self) -> bool {
        self.attempts.trouble.is_some()
    }

    fn keep(&mut self, step: StepId, changes: &ChangeBatch) -> Result<()> {
        self.waiting_bytes += changes.slice_bytes();
        if self.waiting_bytes > WAITING_BYTES_MAX {
            let error = self.attempts.trouble.as_ref().map(|trouble| trouble.error.clone());
            let error = error.unwrap_or_else(|| Error::new(Code::LimitReached, "the sink cannot be written"));
            return Err(error.with_detail(format!(
                "more than {} MiB wait for it after {}",
                WAITING_BYTES_MAX >> 20,
                shown(self.attempts.waited)
            )));
        }
        self.waiting.push_back((step, changes.clone()));
        Ok(())
    }

    /// Notes that it is away for a while; fails if that does not pass.
    fn wait(&mut self, error: Error) -> Result<()> {
        let pause = self.attempts.failed(error)?;
        self.again = Again::In(i64::try_from(pause.as_nanos()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Does everything that waits.
    fn catch_up(&mut self) -> Result<()> {
        if self.sink.is_none() {
            match (self.open)() {
                Ok(sink) => self.sink = Some(sink),
                Err(error) => return self.wait(error),
            }
        }
        let Some(sink) = &mut self.sink else { return Ok(()) };
        if let Some(epoch) = self.commit {
            if let Err(error) = sink.commit(epoch) {
                return self.wait(error);
            }
            self.commit = None;
        }
        let mut caught_up = || -> Result<()> {
            while let Some((step, changes)) = self.waiting.front() {
                sink.write(*step, changes)?;
                self.waiting_bytes -= changes.slice_bytes();
                self.waiting.pop_front();
            }
            if self.ends {
                sink.finish()?;
                self.ends = false;
            }
            Ok(())
        };
        match caught_up() {
            Ok(()) => {
                self.attempts.end();
                Ok(())
            }
            Err(error) if sink.can_try_again() => self.wait(error),
            Err(error) => Err(error),
        }
    }
}

impl Sink for RetryingSink {
    fn write(&mut self, step: StepId, changes: &ChangeBatch) -> Result<()> {
        let Some(sink) = self.sink.as_mut().filter(|_| self.attempts.trouble.is_none()) else { return self.keep(step, changes) };
        match sink.write(step, changes) {
            Err(error) if passes(&error) && sink.can_try_again() => {
                self.wait(error)?;
                self.keep(step, changes)
            }
            done => done,
        }
    }

    fn take_bad_rows(&mut self) -> Vec<BadRow> {
        self.sink.as_mut().map(|sink| sink.take_bad_rows()).unwrap_or_default()
    }

    fn flush(&mut self) -> Result<()> {
        self.sink.as_mut().filter(|_| self.waiting.is_empty()).map_or(Ok(()), |sink| sink.flush())
    }

    fn finish(&mut self) -> Result<()> {
        match self.sink.as_mut().filter(|_| self.attempts.trouble.is_none()) {
            Some(sink) => match sink.finish() {
                Err(error) if passes(&error) && sink.can_try_again() => {
                    self.ends = true;
                    self.wait(error)
                }
                done => done,
            },
            None => {
                self.ends = true;
                Ok(())
            }
        }
    }

    fn prepare(&mut self, epoch: u64) -> Result<SinkToken> {
        match (&mut self.sink, &self.attempts.trouble) {
            (Some(sink), _) if self.waiting.is_empty() && !self.ends => sink.prepare(epoch),
            (_, Some(trouble)) => Err(trouble.error.clone()),
            _ => Err(Error::internal("a sink for which rows wait cannot end an epoch")),
        }
    }

    fn commit(&mut self, epoch: u64) -> Result<()> {
        let Some(sink) = &mut self.sink else {
            self.commit = Some(epoch);
            return Ok(());
        };
        match sink.commit(epoch) {
            Err(error) if passes(&error) => {
                self.commit = Some(epoch);
                self.wait(error)
            }
            done => {
                self.commit = None;
                done
            }
        }
    }

    fn abort(&mut self, epoch: u64) -> Result<()> {
        self.sink.as_mut().map_or(Ok(()), |sink| sink.abort(epoch))
    }

    fn guarantee(&self) -> Guarantee {
        self.sink.as_ref().map_or(Guarantee::AtLeastOnce, |sink| sink.guarantee())
    }

    fn trouble(&self) -> Option<Trouble> {
        self.attempts.trouble.clone()
    }

    fn try_again(&mut self, now: i64) -> Result<Option<i64>> {
        if !self.is_away() {
            return Ok(None);
        }
        let at = match self.again {
            Again::In(pause) => now.saturating_add(pause),
            Again::At(at) => at,
        };
        self.again = Again::At(at);
        if at <= now {
            self.catch_up()?;
            return self.try_again_later(now);
        }
        Ok(Some(at))
    }
}

impl RetryingSink {
    /// When it is tried the next time, if it is still away.
    fn try_again_later(&mut self, now: i64) -> Result<Option<i64>> {
        match self.again {
            _ if !self.is_away() => Ok(None),
            Again::At(at) => Ok(Some(at)),
            Again::In(pause) => {
                let at = now.saturating_add(pause.max(1));
                self.again = Again::At(at);
                Ok(Some(at))
            }
        }
    }
}
