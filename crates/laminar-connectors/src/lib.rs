//! Sources, sinks and formats: how rows come in from outside and go out again.
//!
//! A [`Source`] is polled for batches, a [`Sink`] is handed changes, a [`Lookup`] is asked for rows by key; a [`Connector`] makes them from the options of a
//! `CREATE` statement; the [`Registry`] knows all connectors by name.

pub mod blackhole;
mod fields;
pub mod files;
pub mod formats;
pub mod generator;
pub mod lookup;
pub mod memory;
pub mod nexmark;
pub mod options;
mod position;
pub mod registry;
pub mod retry;
pub mod sink;
pub mod source;
pub mod stdout;

pub use lookup::{Lookup, LookupRequest};
pub use options::Options;
pub use position::{Position, SinkToken};
pub use registry::{Connector, Registry, Reread};
pub use retry::{Retry, Trouble};
pub use sink::{Accepts, Guarantee, Sink, SinkRequest};
pub use source::{BadRow, Source, SourcePoll, SourceRequest};
