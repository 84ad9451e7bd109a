//! What a record of the log, or a manifest, says of a statement beside its text: what else it needs to make the same object again.

use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use super::tables::{schema_from_text, schema_to_text};

/// What a statement did to the catalog, so that it can be done again. The text of what was created stands beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Redo {
    /// The text made an object.
    Create(ObjectContext),
    /// Objects went, each before what it needs.
    Drop(Vec<u64>),
    /// An object has another name.
    Rename { object: u64, to: String },
    /// The text took the place of what an object was.
    Replace(u64),
    /// The reader of a subscription with a name has everything up to a step.
    Acknowledge { subscription: u64, step: u64 },
    /// So many statements of the script with which the directory is run have been done.
    Script { done: u64, text: String },
}

/// What was resolved when an object's statement was said, and would be found otherwise later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ObjectContext {
    pub(crate) id: u64,
    /// Wall-clock silence after which a source counts as idle, in nanoseconds; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) idle_timeout: Option<i64>,
    /// The columns that were found in the data (an Arrow schema as IPC, in hexadecimal digits); absent: the statement says them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<String>,
    /// Whether its connector tells changes of rows and not rows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tells_changes: bool,
}

impl ObjectContext {
    pub(crate) fn new(id: u64, idle_timeout: Option<i64>, columns: Option<&SchemaRef>) -> Result<Self> {
        Ok(Self { id, idle_timeout, columns: columns.map(schema_to_text).transpose()?, tells_changes: false })
    }

    /// The columns that were found in the data.
    pub(crate) fn columns(&self) -> Result<Option<SchemaRef>> {
        self.columns.as_deref().map(schema_from_text).transpose()
    }
}

impl Redo {
    pub(crate) fn to_text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::internal(format!("a statement's context: {error}")))
    }

    pub(crate) fn from_text(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(Code::NotSupported, format!("a statement of the log is of a kind that this build does not know: {error}"))
                .with_hint("open the directory with the version of LaminarDB that wrote it, or a newer one")
        })
    }
}
