//! The end of a named object: its contents and its readers.

use arrow_schema::SchemaRef;

/// The end of a named object.
#[derive(Debug, Clone)]
pub struct OutputSpec {
    /// Whether the current rows are kept (tables, materialized views).
    pub stored: bool,
    /// Whether rows are pushed by people (tables, sources) instead of computed by a query: a retraction of a row that is not
    /// there is then their mistake, which rejects that row, and not ours.
    pub pushed: bool,
    /// Primary key columns of a table: a new row with an old key replaces the old row.
    pub primary_key: Option<Vec<usize>>,
    /// Names and types as readers see them.
    pub schema: SchemaRef,
}
