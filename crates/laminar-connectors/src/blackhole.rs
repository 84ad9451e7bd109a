//! The connector `blackhole`: a sink that counts rows and keeps none, for measuring.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use laminar_core::{ChangeBatch, Code, Error, Result, StepId};

use crate::{Accepts, Connector, Sink, SinkRequest, Source, SourceRequest};

/// Makes sinks that count. All sinks of one connector share their counts.
#[derive(Debug, Clone, Default)]
pub struct BlackholeConnector {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    rows: AtomicU64,
    weight: AtomicI64,
}

impl BlackholeConnector {
    /// Changed rows so far, whatever their weights.
    pub fn rows(&self) -> u64 {
        self.counts.rows.load(Ordering::Relaxed)
    }

    /// The sum of all weights so far.
    pub fn weight(&self) -> i64 {
        self.counts.weight.load(Ordering::Relaxed)
    }
}

impl Connector for BlackholeConnector {
    fn name(&self) -> &'static str {
        "blackhole"
    }

    fn open_source(&self, _: SourceRequest) -> Result<Box<dyn Source>> {
        Err(Error::new(Code::NotSupported, "the connector 'blackhole' has no sources").with_hint("it is for CREATE SINK"))
    }

    fn sink_accepts(&self, _: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(Some(Accepts::Changes))
    }

    fn open_sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        request.options.finish("a blackhole sink", &[])?;
        Ok(Box::new(BlackholeSink(self.counts.clone())))
    }

    fn replayable(&self) -> bool {
        false
    }
}

struct BlackholeSink(Arc<Counts>);

impl Sink for BlackholeSink {
    fn write(&mut self, _: StepId, changes: &ChangeBatch) -> Result<()> {
        let weight =
            if changes.is_append() { changes.len() as i64 } else { changes.weights().to_vec(changes.len()).iter().sum() };
        self.0.rows.fetch_add(changes.len() as u64, Ordering::Relaxed);
        self.0.weight.fetch_add(weight, Ordering::Relaxed);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
