//! What a statement says: the types that parsing yields and that planning reads.
//!
//! Long because the statements of the language stand in one list, and nothing but data is here.
//!
//! All spans are byte ranges of [`ParsedStatement::text`]. Queries and expressions are sqlparser's syntax tree, in which every
//! window syntax has already become marker calls (see [`super::windows`]).

use datafusion::sql::sqlparser::ast;
use laminar_core::Span;

use super::origin::Origin;

/// One statement with its text.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedStatement {
    /// What it says.
    pub statement: Statement,
    /// Where it stands in the script, in bytes of the text that was given to the parser.
    pub span: Span,
    /// Its own text, without the `;` and with variables filled in: what is stored, and what spans point into.
    pub text: String,
    pub(crate) origin: Origin,
}

/// A name as the catalog knows it: ASCII letters in lower case unless it was quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name, folded.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// Every statement of the language that is built.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `CREATE SOURCE`.
    CreateSource(CreateSource),
    /// `CREATE TABLE`.
    CreateTable(CreateTable),
    /// `CREATE LOOKUP TABLE`: rows that stand elsewhere and are asked for by key.
    CreateLookup(CreateLookup),
    /// `CREATE INDEX`: rows of a stored object are found by columns.
    CreateIndex(CreateIndex),
    /// `CREATE STREAM`, `CREATE CONTINUOUS QUERY`: a change stream that is not stored.
    CreateStream(CreateQuery),
    /// `CREATE MATERIALIZED VIEW`: stored and always current.
    CreateMaterializedView(CreateQuery),
    /// `CREATE VIEW`: inlined where it is used.
    CreateView(CreateQuery),
    /// `CREATE SINK`.
    CreateSink(CreateSink),
    /// `CREATE SUBSCRIPTION`.
    CreateSubscription(CreateSubscription),
    /// `INSERT INTO`.
    Insert(Insert),
    /// `UPDATE`.
    Update(ChangeRows),
    /// `DELETE`.
    Delete(ChangeRows),
    /// `TRUNCATE`.
    Truncate(TruncateTables),
    /// `DROP`.
    Drop(DropObjects),
    /// `ALTER … RENAME TO`.
    Rename(RenameObject),
    /// `ALTER … AS`.
    Alter(AlterQuery),
    /// `SHOW`.
    Show(Show),
    /// `DESCRIBE name`.
    Describe(Name),
    /// `EXPLAIN` of a statement.
    Explain(Explain),
    /// `EXPLAIN` of an object.
    ExplainObject(ExplainObject),
    /// `VERIFY VIEW`.
    Verify(VerifyView),
    /// `REPLAY`.
    Replay(Replay),
    /// `CHECKPOINT`: of a database with a directory, now.
    Checkpoint,
    /// `BACKUP TO`: of a database with a directory, while it runs.
    Backup(Backup),
    /// `SELECT`, `VALUES`, `WITH … SELECT`: an ad-hoc query.
    Select(StreamQuery),
    /// `SUBSCRIBE`.
    Subscribe(Subscribe),
    /// `FETCH … FROM subscription`.
    Fetch(Fetch),
    /// `ACK subscription`.
    Acknowledge(Acknowledge),
    /// `SET name = value`.
    Set(SetVariable),
}

/// `CREATE SOURCE name (columns, PRIMARY KEY (…), WATERMARK FOR …) FROM CONNECTOR (…) FORMAT …`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSource {
    /// The source's name.
    pub name: Name,
    /// `IF NOT EXISTS` was written.
    pub if_not_exists: bool,
    /// `OR REPLACE` was written.
    pub or_replace: bool,
    /// The declared columns; empty means that the connector knows them. Key columns are `not_null`.
    pub columns: Vec<ColumnDef>,
    /// The key's columns in the order of the constraint, each one of `columns`: rows with the same key replace each other. Empty means
    /// that rows are only added, or taken back as a whole.
    pub primary_key: Vec<Name>,
    /// The event time column and how far behind it the watermark is.
    pub watermark: Option<WatermarkDef>,
    /// Where rows come from; none means that the program pushes them.
    pub connector: Option<ConnectorDef>,
    /// Whether the program may also take rows back.
    pub changelog: bool,
    /// `watermark_alignment_…`: what it waits for.
    pub alignment: Vec<OptionDef>,
}

/// `CREATE TABLE name (columns, PRIMARY KEY (…))`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// The table's name.
    pub name: Name,
    /// `IF NOT EXISTS` was written.
    pub if_not_exists: bool,
    /// `OR REPLACE` was written.
    pub or_replace: bool,
    /// The declared columns; key columns are `not_null`.
    pub columns: Vec<ColumnDef>,
    /// The key's columns in the order of the constraint, each one of `columns`; empty means that the table has no key.
    pub primary_key: Vec<Name>,
    /// `DEFAULT` clauses, at most one a column.
    pub defaults: Vec<ColumnExpr>,
    /// `GENERATED ALWAYS AS (…) STORED` clauses, at most one a column.
    pub generated: Vec<ColumnExpr>,
    /// `CHECK` constraints.
    pub checks: Vec<CheckDef>,
    /// `UNIQUE` constraints.
    pub uniques: Vec<UniqueDef>,
    /// `APPEND ONLY`: its rows are never changed.
    pub append_only: bool,
    /// How far event time has come; only of a table that is `append_only`.
    pub watermark: Option<WatermarkDef>,
    /// From where the table is filled, if not by `INSERT` alone.
    pub connector: Option<ConnectorDef>,
    /// `AS query`: what the table holds at first, and where its columns come from.
    pub query: Option<StreamQuery>,
}

/// `CREATE INDEX [name] ON object (columns)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIndex {
    /// The index's name; if none is written, one made of the object's and the columns', at the place where it would stand.
    pub name: Name,
    /// `IF NOT EXISTS` was written.
    pub if_not_exists: bool,
    /// The table or materialized view.
    pub on: Name,
    /// The columns by which rows are found, at least one.
    pub columns: Vec<Name>,
}

/// `CREATE LOOKUP TABLE name (columns, PRIMARY KEY (…)) FROM CONNECTOR (…) FORMAT … WITH (cache_… = …)`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateLookup {
    /// The table's name.
    pub name: Name,
    /// `IF NOT EXISTS` was written.
    pub if_not_exists: bool,
    /// `OR REPLACE` was written.
    pub or_replace: bool,
    /// The declared columns; empty means that the connector knows them. Key columns are `not_null`.
    pub columns: Vec<ColumnDef>,
    /// The key's columns in the order of the constraint; each one of `columns`, if there are any.
    pub primary_key: Vec<Name>,
    /// Where the rows stand.
    pub connector: ConnectorDef,
    /// `cache_…`: how many answers are kept, and how long.
    pub cache: Vec<OptionDef>,
}

/// An expression of a definition.
#[derive(Debug, Clone, PartialEq)]
pub struct RowExpr {
    /// As a query that selects it alone, from [`RETURNED_ROWS`](super::RETURNED_ROWS), or from nothing if it is a default.
    pub query: StreamQuery,
    /// As it was written.
    pub text: String,
    /// The names in it, each once.
    pub names: Vec<String>,
}

/// What gives a column its value.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnExpr {
    /// The column.
    pub column: Name,
    /// Its value.
    pub value: RowExpr,
}

/// `[CONSTRAINT name] CHECK (expr)`.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckDef {
    /// Its name, as written or as made from those of its table and column.
    pub name: String,
    /// What must not be false.
    pub holds: RowExpr,
}

/// `[CONSTRAINT name] UNIQUE [NULLS [NOT] DISTINCT] (column, …)`, or behind a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueDef {
    /// Its name, as written or as made from those of its table and columns.
    pub name: String,
    /// The columns of which no two rows have the same values; at least one, each once, each one of the table's.
    pub columns: Vec<Name>,
    /// Whether rows with a NULL among these values are never the same: so unless `NULLS NOT DISTINCT` is written.
    pub nulls_distinct: bool,
    /// The whole constraint.
    pub span: Span,
}

/// One declared column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Name,
    /// Its type as written.
    pub data_type: ast::DataType,
    /// Where the type stands.
    pub type_span: Span,
    /// `NOT NULL` was written, or the column is part of the key.
    pub not_null: bool,
    /// The whole definition.
    pub span: Span,
}

/// `WATERMARK FOR column AS column - INTERVAL …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatermarkDef {
    /// The event time column. It is not checked against the columns, which a connector may know.
    pub column: Name,
    /// How far the watermark stays behind the greatest time seen, in nanoseconds; at least 0.
    pub lag: i64,
    /// `WITH (strategy = …)`: how it follows from rows.
    pub options: Vec<OptionDef>,
    /// The whole clause.
    pub span: Span,
}

/// A connector with its options, from `FROM FILE (…)`, `INTO FILE (…)` or `WITH (connector = 'file', …)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorDef {
    /// The connector's name in lower case.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// Its options in the order written, without `connector` and `format`.
    pub options: Vec<OptionDef>,
    /// `FORMAT NAME (…)`, or the options `format` and `format.*`.
    pub format: Option<FormatDef>,
    /// The whole clause.
    pub span: Span,
}

/// `key = 'value'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionDef {
    /// The key in lower case, as in `bootstrap.servers`.
    pub key: String,
    /// The value as text: numbers and words as written, strings without quotes. A key alone has the value `true`.
    pub value: String,
    /// Where the pair stands.
    pub span: Span,
}

/// `FORMAT CSV (header = true)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatDef {
    /// The format's name in lower case.
    pub name: String,
    /// Its options.
    pub options: Vec<OptionDef>,
    /// The whole clause.
    pub span: Span,
}

/// `CREATE STREAM | MATERIALIZED VIEW | VIEW name AS query`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateQuery {
    /// The new object's name.
    pub name: Name,
    /// `IF NOT EXISTS` was written.
    pub if_not_exists: bool,
    /// `OR REPLACE` was written.
    pub or_replace: bool,
    /// What it computes. A column list after the name has become a projection of the query.
    pub query: StreamQuery,
    /// `WITH (history = …)`: how much of its changes is kept for subscriptions to come.
    pub history: Option<OptionDef>,
    /// Where options stand, or would: behind the name and the columns.
    pub options_at: usize,
    /// The whole statement.
    pub span: Span,
}

/// `CREATE SINK name [FROM object | AS query] INTO CONNECTOR (…) FORMAT …`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSink {
    /// The sink's name.
    pub name: Name,
    /// `IF NOT EXISTS` was written.
    pub if_not_exists: bool,
    /// `OR REPLACE` was written.
    pub or_replace: bool,
    /// What it writes.
    pub input: SinkInput,
    /// Where it writes.
    pub connector: ConnectorDef,
}

/// What a sink writes.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkInput {
    /// The changes of an object.
    Object(Name),
    /// The changes of a query of its own.
    Query(StreamQuery),
    /// The late rows of the queries that say `LATE DATA TO` it.
    LateRows,
}

/// `INSERT INTO table (columns) VALUES … | SELECT … [ON CONFLICT …] [RETURNING …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The table or source.
    pub table: Name,
    /// The columns named; empty means all in their order.
    pub columns: Vec<Name>,
    /// The rows: `VALUES` or a query.
    pub source: Box<ast::Query>,
    /// Row and column of each value for which `DEFAULT` was written; the rows have NULL there.
    pub to_default: Vec<(usize, usize)>,
    /// `DEFAULT VALUES`: one row, of which nothing is given.
    pub default_values: bool,
    /// What happens to a row whose key another one has.
    pub on_conflict: Option<OnConflict>,
    /// What is answered: a query over [`RETURNED_ROWS`](super::RETURNED_ROWS).
    pub returning: Option<StreamQuery>,
    /// Where the rows' text stands.
    pub span: Span,
}

/// `ON CONFLICT (key) DO …`.
#[derive(Debug, Clone, PartialEq)]
pub struct OnConflict {
    /// The columns named; none means whatever key there is.
    pub key: Vec<Name>,
    /// What is done instead of inserting the row.
    pub action: ConflictAction,
    /// The whole clause.
    pub span: Span,
}

/// What is done with a row whose key another one has.
#[derive(Debug, Clone, PartialEq)]
pub enum ConflictAction {
    /// `DO NOTHING`.
    Nothing,
    /// `DO UPDATE SET … [WHERE …]`.
    Update {
        /// The columns that are set.
        columns: Vec<SetColumn>,
        /// As [`ChangeRows::rows`], over the rows that others have the keys of and, as `excluded`, those others
        /// ([`EXCLUDED_ROWS`](super::EXCLUDED_ROWS)).
        rows: StreamQuery,
    },
}

/// `UPDATE table SET … [FROM …] [WHERE …]`, or `DELETE FROM table [USING …] [WHERE …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRows {
    /// The table.
    pub table: Name,
    /// The columns that an UPDATE sets; none in a DELETE.
    pub columns: Vec<SetColumn>,
    /// Which rows change: a query over [`CHANGED_ROWS`](super::CHANGED_ROWS) and others that gives the number of each, and new values for
    /// `columns`. A number may come more than once.
    pub rows: StreamQuery,
    /// What is answered: a query over [`RETURNED_ROWS`](super::RETURNED_ROWS).
    pub returning: Option<StreamQuery>,
}

/// A column that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetColumn {
    /// Its name.
    pub name: Name,
    /// `DEFAULT` was written in place of a value, for which the query has NULL.
    pub to_default: bool,
}

/// `TRUNCATE TABLE names`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruncateTables {
    /// Which.
    pub tables: Vec<Name>,
}

/// The kinds of objects that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A source.
    Source,
    /// A table.
    Table,
    /// A table of rows that stand elsewhere.
    LookupTable,
    /// A stream.
    Stream,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A sink.
    Sink,
    /// A subscription that has a name.
    Subscription,
    /// An index.
    Index,
}

/// `DROP kind [IF EXISTS] names [CASCADE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropObjects {
    /// What the objects must be.
    pub kind: ObjectKind,
    /// Which.
    pub names: Vec<Name>,
    /// A missing object is no error.
    pub if_exists: bool,
    /// What depends on them goes too.
    pub cascade: bool,
}

/// `ALTER kind [IF EXISTS] name RENAME TO to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameObject {
    /// What the object must be.
    pub kind: ObjectKind,
    /// Its name.
    pub name: Name,
    /// What it is called from then on.
    pub to: Name,
    /// A missing object is no error.
    pub if_exists: bool,
}

/// `ALTER kind [IF EXISTS] name AS query`: another query for an object that exists.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterQuery {
    /// What the object must be: a stream, view or materialized view.
    pub kind: ObjectKind,
    /// A missing object is no error.
    pub if_exists: bool,
    /// As if it were made with the new query; it says `OR REPLACE`.
    pub create: CreateQuery,
}

/// `SHOW …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Show {
    /// Every object of a kind.
    Objects(ObjectKind),
    /// Every object of every kind: `SHOW ALL`, `SHOW OBJECTS`.
    All,
    /// Everything that runs: `SHOW JOBS`.
    Jobs,
    /// `SHOW STATE`: rows and bytes of each operator.
    State,
    /// `SHOW MEMORY`: what the process takes, and what its state.
    Memory,
    /// `SHOW CHECKPOINTS`: those that stand in the database's directory.
    Checkpoints,
    /// The columns of an object: `SHOW COLUMNS FROM name`.
    Columns(Name),
    /// The statement that made an object: `SHOW CREATE [kind] name`.
    Create {
        /// What it must be, if written.
        kind: Option<ObjectKind>,
        /// Which.
        name: Name,
    },
    /// A setting: `SHOW name`.
    Setting(Name),
}

/// `EXPLAIN [PLAN | AST | GRAPH | STATE] statement`, and `EXPLAIN ALTER …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Which stage.
    pub what: ExplainWhat,
    /// The statement, of which spans point into the same text.
    pub statement: Box<Statement>,
    /// Where the inner statement stands.
    pub span: Span,
}

/// A stage of a statement's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainWhat {
    /// The logical plan (the default).
    Plan,
    /// The syntax tree, as SQL after all rewriting of windows.
    Ast,
    /// The graph of operators.
    Graph,
    /// What its operators will keep, and what bounds that.
    State,
    /// What an `ALTER … AS` would do to the object and to all that reads from it.
    Alter,
}

/// `EXPLAIN STATE | WHY | ANALYZE [kind] name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainObject {
    /// What is asked of it.
    pub report: ObjectReport,
    /// Its kind, if written; a view may be a materialized one.
    pub kind: Option<ObjectKind>,
    /// Its name.
    pub name: Name,
}

/// What can be told of an object that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectReport {
    /// What its operators keep, and what bounds that.
    State,
    /// Why it shows no (new) rows.
    Why,
    /// What each operator has done.
    Analyze,
}

/// `VERIFY VIEW name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyView {
    /// A materialized view.
    pub name: Name,
}

/// `REPLAY object$errors [(field, …)] INTO target`, or `REPLAY object$late INTO target`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The rows that an object rejected.
    pub from: Name,
    /// What the fields of a record are called, in their order; empty means that it is known.
    pub fields: Vec<Name>,
    /// The source or table that gets them.
    pub into: Name,
}

/// A query with the clauses that make it a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamQuery {
    /// The query; windows are marker calls in it.
    pub query: Box<ast::Query>,
    /// `EMIT …`, if written.
    pub emit: Option<EmitClause>,
    /// `ALLOW LATENESS INTERVAL …`.
    pub lateness: Option<Lateness>,
    /// `LATE DATA TO name`.
    pub late_to: Option<Name>,
    /// From the query's first token to the last of its clauses.
    pub span: Span,
}

impl StreamQuery {
    /// Whether it has an ORDER BY that decides nothing, since no rows are picked by it.
    pub fn orders_in_vain(&self) -> bool {
        let picks = match self.query.body.as_ref() {
            ast::SetExpr::Select(select) => matches!(select.distinct, Some(ast::Distinct::On(_))),
            _ => false,
        };
        self.query.order_by.is_some() && self.query.limit_clause.is_none() && !picks
    }
}

/// `EMIT …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmitClause {
    /// When and what.
    pub kind: EmitKind,
    /// The whole clause.
    pub span: Span,
}

/// When a query's results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitKind {
    /// A window's result when the watermark passes its end, and again after a late row.
    OnWatermark,
    /// A window's result once, when the watermark passes its end and the lateness.
    OnWindowClose,
    /// The result once.
    Final,
    /// The new result after every step that changed it.
    OnUpdate,
    /// The old result taken back and the new one added.
    Changes,
    /// What changed since the last time, every so many nanoseconds; more than 0.
    Every(i64),
}

/// `ALLOW LATENESS INTERVAL …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness {
    /// Nanoseconds; at least 0.
    pub nanos: i64,
    /// The whole clause.
    pub span: Span,
}

/// `SUBSCRIBE [TO] object | query [WITH (snapshot = …)] [AS OF STEP n]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    /// What to follow. An object with `WHERE` has become a query.
    pub input: SubscribeInput,
    /// `WITH (snapshot)`: whether the current contents come first; none means the default.
    pub snapshot: Option<bool>,
    /// `AS OF STEP n`.
    pub as_of_step: Option<u64>,
}

/// What a subscription follows.
#[derive(Debug, Clone, PartialEq)]
pub enum SubscribeInput {
    /// The changes of an object.
    Object(Name),
    /// The changes of a query.
    Query(StreamQuery),
}

/// `CREATE SUBSCRIPTION name ON object [WITH (snapshot = …, history = …)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSubscription {
    /// The subscription's name.
    pub name: Name,
    /// `IF NOT EXISTS` was written.
    pub if_not_exists: bool,
    /// `OR REPLACE` was written.
    pub or_replace: bool,
    /// Whose changes are read.
    pub object: Name,
    /// `snapshot = …`: whether the current contents come first; none means the default.
    pub snapshot: Option<bool>,
    /// `history = …` or `retention = …`: how much may wait for the reader.
    pub history: Option<OptionDef>,
}

/// `FETCH [n | ALL] FROM subscription`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// How many rows at most, but for a step that has more; none for all that there are.
    pub rows: Option<u64>,
    /// From where.
    pub subscription: Name,
}

/// `ACK subscription [THROUGH STEP n]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge {
    /// Which.
    pub subscription: Name,
    /// Up to this step; none for all that was fetched last.
    pub through: Option<u64>,
    /// `THROUGH STEP n`.
    pub through_span: Span,
}

/// `BACKUP TO 'directory'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The directory, which must not hold anything.
    pub directory: String,
    /// Where its name stands.
    pub span: Span,
}

/// `SET name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVariable {
    /// The setting, as in `idle_timeout` or `a.b`.
    pub name: Name,
    /// Its value as text; none for `SET name TO DEFAULT` and `RESET name`.
    pub value: Option<String>,
    /// Where the value stands (the whole statement if there is none).
    pub value_span: Span,
}
