//! The options of a statement: every one is used or refused, none is ignored.

use std::collections::BTreeMap;

/// Options by lower-case name. A connector takes those that it knows and then calls [`finish`](Options::finish).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    values: BTreeMap<String, String>,
}

impl Options {
    /// Options from pairs; names are lower-cased.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect() }
    }

    /// Removes and returns the option called `name`.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }
}
