//! The words for kinds of objects, as `DROP` and `SHOW` use them.

use super::statement::ObjectKind;
use super::tokens::Cursor;

/// Singular, plural, kind; two words before the one that begins like them.
const WORDS: &[(&[&str], &[&str], ObjectKind)] = &[
    (&["SOURCE"], &["SOURCES"], ObjectKind::Source),
    (&["TABLE"], &["TABLES"], ObjectKind::Table),
    (&["LOOKUP", "TABLE"], &["LOOKUP", "TABLES"], ObjectKind::LookupTable),
    (&["STREAM"], &["STREAMS"], ObjectKind::Stream),
    (&["CONTINUOUS", "QUERY"], &["CONTINUOUS", "QUERIES"], ObjectKind::Stream),
    (&["MATERIALIZED", "VIEW"], &["MATERIALIZED", "VIEWS"], ObjectKind::MaterializedView),
    (&["VIEW"], &["VIEWS"], ObjectKind::View),
    (&["SINK"], &["SINKS"], ObjectKind::Sink),
    (&["SUBSCRIPTION"], &["SUBSCRIPTIONS"], ObjectKind::Subscription),
    (&["INDEX"], &["INDEXES"], ObjectKind::Index),
];

/// Takes `TABLE`, `MATERIALIZED VIEW`, … if it comes next.
pub(super) fn take_kind(cursor: &mut Cursor<'_>) -> Option<ObjectKind> {
    WORDS.iter().find(|(one, _, _)| cursor.take_words(one)).map(|(_, _, kind)| *kind)
}

/// Takes `TABLES`, `MATERIALIZED VIEWS`, … if it comes next.
pub(super) fn take_kinds(cursor: &mut Cursor<'_>) -> Option<ObjectKind> {
    WORDS.iter().find(|(_, many, _)| cursor.take_words(many)).map(|(_, _, kind)| *kind)
}

impl ObjectKind {
    /// The kind as a message names it: `materialized view`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Source => "source",
            ObjectKind::Table => "table",
            ObjectKind::LookupTable => "lookup table",
            ObjectKind::Stream => "stream",
            ObjectKind::View => "view",
            ObjectKind::MaterializedView => "materialized view",
            ObjectKind::Sink => "sink",
            ObjectKind::Subscription => "subscription",
            ObjectKind::Index => "index",
        }
    }
}

impl std::fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
