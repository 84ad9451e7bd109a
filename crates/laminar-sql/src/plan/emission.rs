//! What EMIT, ALLOW LATENESS and the kind of object mean for the nodes of a graph: decided here, once.

use laminar_core::dag::{EmitWhen, WindowEmission};
use laminar_core::{Code, Error, Result, Span};

use crate::parse::{EmitKind, StreamQuery};

/// What is being made of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A stored view: its contents are the answer at every moment.
    View,
    /// A change stream, a sink's query or a subscription.
    Stream,
}

/// When results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission {
    /// How windows show theirs.
    pub window: WindowEmission,
    /// How long after its end a window takes rows, in nanoseconds.
    pub lateness: i64,
    /// What holds changes back at the root.
    pub root: Option<EmitWhen>,
}

impl Emission {
    /// The meaning of the clauses of `query`. `windowed`: whether it groups by a window.
    pub(crate) fn of(query: &StreamQuery, purpose: Purpose, windowed: bool) -> Result<Self> {
        let kind = query.emit.map(|emit| emit.kind);
        let lateness = query.lateness.map_or(0, |lateness| lateness.nanos);
        if let (Some(lateness), false) = (query.lateness, windowed) {
            return Err(nothing_is_late("ALLOW LATENESS", lateness.span));
        }
        let (window, root) = match (kind, windowed, purpose) {
            (Some(EmitKind::OnWatermark | EmitKind::OnWindowClose), false, _) => return Err(needs_window(query)),
            (Some(EmitKind::OnWatermark), true, _) | (None, true, Purpose::Stream) => (WindowEmission::OnWatermark, None),
            (Some(EmitKind::OnWindowClose | EmitKind::Final), true, _) => (WindowEmission::OnClose, None),
            (Some(EmitKind::Final), false, _) => (WindowEmission::Changes, Some(EmitWhen::AtEnd)),
            (Some(EmitKind::Every(nanos)), _, _) => (WindowEmission::Changes, Some(EmitWhen::Every(nanos))),
            (Some(EmitKind::Changes | EmitKind::OnUpdate), _, _) | (None, _, _) => (WindowEmission::Changes, None),
        };
        Ok(Self { window, lateness, root })
    }
}

/// The error for a clause about late rows behind a query without windows.
pub(super) fn nothing_is_late(clause: &str, span: Span) -> Error {
    Error::new(Code::InvalidWindow, format!("{clause} needs a window that rows can be late for"))
        .with_hint("group by TUMBLE, HOP, CUMULATE or SESSION, or leave the clause out; late rows of a join are in <name>$late")
        .at(span)
}

/// The error for `EMIT FINAL` of a query that depends on the time.
pub(super) fn never_final(query: &StreamQuery) -> Error {
    let error =
        Error::new(Code::InvalidQuery, "a query with now() has no final result: rows come and go as long as time goes by")
            .with_hint("write EMIT CHANGES, or leave EMIT out");
    query.emit.map_or(error.clone(), |emit| error.at(emit.span))
}

/// The error for windows that are shown when they close, beside groups without window.
pub(super) fn never_closes(query: &StreamQuery) -> Error {
    let error = Error::new(Code::InvalidWindow, "a grouping set leaves the window out, so its groups never close")
        .with_hint("write the window into every set, as in GROUP BY TUMBLE(ts, …), ROLLUP (k); or write EMIT CHANGES");
    query.emit.map_or(error.clone(), |emit| error.at(emit.span))
}

fn needs_window(query: &StreamQuery) -> Error {
    let error = Error::new(Code::InvalidWindow, "this EMIT waits for windows, but the query groups by no window")
        .with_hint("group by TUMBLE, HOP, CUMULATE or SESSION, or write EMIT CHANGES");
    match query.emit {
        Some(emit) => error.at(emit.span),
        None => error,
    }
}
