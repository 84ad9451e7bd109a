//! A named object as it was defined. Everything here is data that can be written down and compared; what runs by it is an
//! instance of the engine.

use arrow_schema::SchemaRef;
use laminar_core::dag::{ChangeKind, EdgeProperties};
use laminar_sql::parse::{ConnectorDef, StreamQuery, WatermarkDef};

pub(crate) use laminar_sql::parse::ObjectKind;

use super::id::ObjectId;
use super::text_lengths::TextLengths;

/// A definition: what was said, what it reads from, and what was resolved when it was said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) id: ObjectId,
    pub(crate) name: String,
    /// The statement that makes it, as it can be said again.
    pub(crate) sql: String,
    /// The objects that it reads from.
    pub(crate) depends_on: Vec<ObjectId>,
    /// The table or sink into which its late rows go.
    pub(crate) late_to: Option<ObjectId>,
    pub(crate) definition: Definition,
}

/// What an object is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Definition {
    /// Rows from outside.
    Source(SourceDefinition),
    /// Rows that are inserted and kept.
    Table(TableDefinition),
    /// Rows that stand elsewhere, as far as they have been asked for.
    Lookup(LookupDefinition),
    /// A continuous query; `stored` for materialized views.
    Query { properties: EdgeProperties, stored: bool, latest_only: bool },
    /// A query that is put in wherever it is named.
    View(ViewDefinition),
    /// A way out.
    Sink { connector: ConnectorDef },
    /// A way out for the late rows of others; the first that writes into it settles its columns.
    LateSink { connector: ConnectorDef, columns: Option<SchemaRef> },
    /// A reader of changes that has a name; `snapshot`: it begins with the rows that there are.
    Subscription { snapshot: bool },
    /// The rows of the one object that it depends on, found by these columns.
    Index { columns: Vec<usize> },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceDefinition {
    pub(crate) properties: EdgeProperties,
    /// The columns of its primary key, by which rows replace each other; none if it has no key.
    pub(crate) key: Vec<usize>,
    /// How long its texts may be.
    pub(crate) lengths: TextLengths,
    pub(crate) watermark: Option<WatermarkDef>,
    /// Wall-clock silence after which it counts as idle, in nanoseconds, as it was set when the source was created; `None`: never.
    pub(crate) idle_timeout: Option<i64>,
    /// Where rows come from; `None`: the program pushes them.
    pub(crate) connector: Option<ConnectorDef>,
    /// The sources for which it waits.
    pub(crate) alignment: Option<Alignment>,
    /// Whether a reader opened anew sees the same rows from the start.
    pub(crate) replayable: bool,
    /// Whether there is only one reader ever, as of a pipe.
    pub(crate) read_once: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableDefinition {
    pub(crate) properties: EdgeProperties,
    /// Wall-clock silence after which it counts as idle, as of a source, if it has a watermark; `None`: never.
    pub(crate) idle_timeout: Option<i64>,
    /// The columns of its primary key; none if it has no key.
    pub(crate) key: Vec<usize>,
    /// How long its texts may be.
    pub(crate) lengths: TextLengths,
    pub(crate) defaults: Vec<ColumnText>,
    pub(crate) generated: Vec<ColumnText>,
    pub(crate) checks: Vec<CheckText>,
    pub(crate) uniques: Vec<UniqueText>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LookupDefinition {
    /// The columns of its rows.
    pub(crate) columns: SchemaRef,
    /// What holds for its answers, which have two columns more.
    pub(crate) properties: EdgeProperties,
}

/// What gives a column its value, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnText {
    pub(crate) column: usize,
    pub(crate) text: String,
}

/// `CHECK (text)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckText {
    pub(crate) name: String,
    pub(crate) text: String,
    /// The columns that it names.
    pub(crate) columns: Vec<String>,
}

/// `UNIQUE (columns)`, with the text that it would have behind the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UniqueText {
    pub(crate) name: String,
    pub(crate) columns: Vec<usize>,
    pub(crate) text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ViewDefinition {
    pub(crate) query: StreamQuery,
    /// Names and types of its rows.
    pub(crate) schema: SchemaRef,
    /// How many views are put in where it is named: itself and those that it names.
    pub(crate) inlined: usize,
}

/// The group of a source, and how far it may be ahead of the slowest one there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alignment {
    pub(crate) group: String,
    /// Nanoseconds.
    pub(crate) max_drift: i64,
}

impl Object {
    pub(crate) fn kind(&self) -> ObjectKind {
        match &self.definition {
            Definition::Source(_) => ObjectKind::Source,
            Definition::Table(_) => ObjectKind::Table,
            Definition::Lookup(_) => ObjectKind::LookupTable,
            Definition::Query { stored: true, .. } => ObjectKind::MaterializedView,
            Definition::Query { stored: false, .. } => ObjectKind::Stream,
            Definition::View(_) => ObjectKind::View,
            Definition::Sink { .. } | Definition::LateSink { .. } => ObjectKind::Sink,
            Definition::Subscription { .. } => ObjectKind::Subscription,
            Definition::Index { .. } => ObjectKind::Index,
        }
    }

    /// What holds for its rows, if it has rows of its own.
    pub(crate) fn properties(&self) -> Option<&EdgeProperties> {
        match &self.definition {
            Definition::Source(source) => Some(&source.properties),
            Definition::Table(table) => Some(&table.properties),
            Definition::Query { properties, .. } => Some(properties),
            Definition::Lookup(_)
            | Definition::View(_)
            | Definition::Sink { .. }
            | Definition::LateSink { .. }
            | Definition::Subscription { .. }
            | Definition::Index { .. } => None,
        }
    }

    /// Whether its current rows can be read.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self.definition, Definition::Table(_) | Definition::Query { stored: true, .. })
    }

    /// Whether who reads its changes begins with the rows that there are.
    pub(crate) fn keeps_rows(&self) -> bool {
        self.is_stored() || matches!(&self.definition, Definition::Source(source) if source.keeps_rows())
    }

    /// Which changes it shows, in words.
    pub(crate) fn changes_text(&self) -> &'static str {
        match self.properties().map(|properties| &properties.changes) {
            Some(ChangeKind::Append) => "append",
            Some(ChangeKind::Upsert(_)) => "upsert",
            Some(ChangeKind::Retract) => "retract",
            None => "",
        }
    }

    /// The objects without which it cannot be.
    pub(crate) fn needs(&self) -> impl Iterator<Item = ObjectId> {
        self.depends_on.iter().copied().chain(self.late_to)
    }
}

impl SourceDefinition {
    /// Whether the newest row of each key is kept.
    pub(crate) fn keeps_rows(&self) -> bool {
        !self.key.is_empty()
    }
}

impl TableDefinition {
    /// Whether DESCRIBE has more to say of its columns than names and types.
    pub(crate) fn says_more(&self) -> bool {
        !(self.defaults.is_empty() && self.generated.is_empty() && self.checks.is_empty() && self.uniques.is_empty())
    }

    /// What DESCRIBE says of a column: what fills it, and the constraints that name it.
    pub(crate) fn described(&self, column: usize) -> (String, String) {
        let of_column = |texts: &[ColumnText]| texts.iter().find(|text| text.column == column).map(|found| found.text.clone());
        let generated = of_column(&self.generated).map(|text| format!("GENERATED ALWAYS AS ({text}) STORED"));
        let name = self.properties.schema.field(column).name();
        let checks = self.checks.iter().filter(|check| check.columns.contains(name));
        let uniques = self.uniques.iter().filter(|unique| unique.columns.contains(&column));
        let checks = checks.map(|check| format!("{}: {}", check.name, check.text));
        let checks: Vec<String> = checks.chain(uniques.map(|unique| format!("{}: {}", unique.name, unique.text))).collect();
        (generated.or_else(|| of_column(&self.defaults)).unwrap_or_default(), checks.join("; "))
    }
}

/// A kind within a sentence: `a materialized view`, `an index`.
pub(crate) fn kind_in_words(kind: ObjectKind) -> String {
    let article = if kind == ObjectKind::Index { "an" } else { "a" };
    format!("{article} {kind}")
}

/// A kind as SQL calls it, in capitals.
pub(crate) fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Source => "SOURCE",
        ObjectKind::Table => "TABLE",
        ObjectKind::LookupTable => "LOOKUP TABLE",
        ObjectKind::Stream => "STREAM",
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Sink => "SINK",
        ObjectKind::Subscription => "SUBSCRIPTION",
        ObjectKind::Index => "INDEX",
    }
}
